#include "engine/config/optimizer_keys.hpp"

#include "engine/config/option_kinds.hpp"

namespace gradloom {
namespace {

using enum OptimizerType;
using enum Resume;
using Types = std::vector<OptimizerType>;
using Optimizer = Config::Optimizer;

// A smaller one would be 0 or nearly so in float32, and 0 / 0 is what it is there to prevent.
const RealRange kEpsilon{[](double v) { return v >= 1e-30; }, "a number >= 1e-30"};

const Types& all_types() {
  static const Types types = {kSgd, kAdam, kAdamw, kRmsprop, kAdagrad};
  return types;
}

template <class Value>
auto of_optimizer(Value Optimizer::*member) {
  return [member](auto& config) -> auto& { return config.optimizer.*member; };
}

OptionFacts facts(const char* name, std::string effect, const Types& used_by, Resume resume) {
  if (used_by.size() < all_types().size()) effect += " For " + names_of(used_by) + ".";
  return {std::string("optimizer.") + name, std::move(effect), resume};
}

OptimizerKey real(const char* name, const std::string& effect, const Types& used_by, const RealRange& range,
                  double Optimizer::*member, Resume resume) {
  return {real_option(facts(name, effect, used_by, resume), range, of_optimizer(member)), used_by};
}

OptimizerKey boolean(const char* name, const std::string& effect, const Types& used_by, bool Optimizer::*member,
                     Resume resume) {
  return {boolean_option(facts(name, effect, used_by, resume), of_optimizer(member)), used_by};
}

OptimizerKey real_or(const char* word, const char* name, const std::string& effect, const Types& used_by,
                     const RealRange& range, std::optional<double> Optimizer::*member, Resume resume) {
  Option option = or_word(word, of_optimizer(member),
                          [&](auto value) { return real_option(facts(name, effect, used_by, resume), range, value); });
  return {std::move(option), used_by};
}

// Fixed is what gives the state its meaning: a checkpoint's state goes on under the rule that made it.
std::vector<OptimizerKey> make_keys() {
  return {{choice_option<OptimizerType>({"optimizer.type", "Update rule, as PyTorch defines it."},
                                        of_optimizer(&Optimizer::type)),
           all_types()},
          real("learning-rate", "Size of a step down the gradient.", all_types(), kNotNegative,
               &Optimizer::learning_rate, kFree),
          real("momentum", "Share of the last update that is kept.", {kSgd, kRmsprop}, kNotNegative,
               &Optimizer::momentum, kFixed),
          real("dampening", "Share of the gradient that momentum leaves out, but for the first step's.", {kSgd},
               kUpToOne, &Optimizer::dampening, kFixed),
          boolean("nesterov", "Nesterov's momentum; needs momentum > 0 and dampening = 0.", {kSgd},
                  &Optimizer::nesterov, kFixed),
          real("beta1", "Share of the gradient's running mean that is kept.", {kAdam, kAdamw}, kFraction,
               &Optimizer::beta1, kFixed),
          real("beta2", "Share of the running mean of its square that is kept.", {kAdam, kAdamw}, kFraction,
               &Optimizer::beta2, kFixed),
          real("alpha", "Share of the running mean of the gradient's square that is kept.", {kRmsprop}, kFraction,
               &Optimizer::alpha, kFixed),
          boolean("centered", "Divide by the gradient's deviation instead of its root mean square.", {kRmsprop},
                  &Optimizer::centered, kFixed),
          real("lr-decay", "Step t takes learning-rate / (1 + (t - 1) * lr-decay).", {kAdagrad}, kNotNegative,
               &Optimizer::lr_decay, kFree),
          real("initial-accumulator-value", "What the sum of the gradient's squares starts with.", {kAdagrad},
               kNotNegative, &Optimizer::initial_accumulator_value, kFixed),
          real_or("auto", "epsilon", "Added to what is divided by; auto is 1e-8, of adagrad 1e-10.",
                  {kAdam, kAdamw, kRmsprop, kAdagrad}, kEpsilon, &Optimizer::epsilon, kFixed),
          real("weight-decay",
               "L2 penalty: added to the gradient times the parameter; adamw takes it from the parameter itself.",
               all_types(), kNotNegative, &Optimizer::weight_decay, kFree),
          real("l1", "L1 penalty: added to the gradient times the parameter's sign.", all_types(), kNotNegative,
               &Optimizer::l1, kFree),
          boolean("decay-biases", "Whether weight-decay and l1 are of biases too.", all_types(),
                  &Optimizer::decay_biases, kFree),
          real_or("none", "clip-grad-norm",
                  "The whole gradient is shortened to this norm where it is longer; behind clip-grad-value, before "
                  "weight-decay and l1.",
                  all_types(), kPositive, &Optimizer::clip_grad_norm, kFree),
          real_or("none", "clip-grad-value", "Each number of the gradient is brought to within this of 0.", all_types(),
                  kPositive, &Optimizer::clip_grad_value, kFree)};
}

}  // namespace

const std::vector<OptimizerKey>& optimizer_keys() {
  static const std::vector<OptimizerKey> keys = make_keys();
  return keys;
}

}  // namespace gradloom
