#include "engine/data/generate_sets.hpp"

#include <cmath>
#include <numbers>

namespace gradloom {
namespace {

constexpr double kPi = std::numbers::pi;

double square(double a) { return a * a; }

// Friedman, "Multivariate Adaptive Regression Splines" (1991), eq. 61.
class Friedman1 : public SyntheticSet {
 public:
  using SyntheticSet::SyntheticSet;
  double row(std::uint64_t r, std::span<float> x) const override {
    for (std::size_t j = 0; j < x.size(); ++j) x[j] = uniform(r, j, x.size());
    return 10 * std::sin(kPi * x[0] * x[1]) + 20 * square(x[2] - 0.5) + 10.0 * x[3] + 5.0 * x[4] + noise(r);
  }
};

class Rosenbrock : public SyntheticSet {
 public:
  using SyntheticSet::SyntheticSet;
  double row(std::uint64_t r, std::span<float> x) const override {
    for (std::size_t j = 0; j < x.size(); ++j) x[j] = 4 * uniform(r, j, x.size()) - 2;  // exact in float32
    double y = 0;
    for (std::size_t j = 0; j + 1 < x.size(); ++j)
      y += 100 * square(x[j + 1] - square(x[j])) + square(1 - static_cast<double>(x[j]));
    return y + noise(r);
  }
};

// Two arms of 1.5 turns, half a turn apart, of radius 0 to 1; points lie evenly over the radius.
class Spirals : public SyntheticSet {
 public:
  using SyntheticSet::SyntheticSet;
  double row(std::uint64_t r, std::span<float> x) const override {
    const std::size_t arm = pick(r, 2);
    const double radius = uniform(r, 0, 1);
    const double angle = 3 * kPi * radius + static_cast<double>(arm) * kPi;
    x[0] = static_cast<float>(radius * std::cos(angle) + noise(r, 0, 2));
    x[1] = static_cast<float>(radius * std::sin(angle) + noise(r, 1, 2));
    return static_cast<double>(arm);
  }
  [[nodiscard]] std::vector<std::string> classes() const override { return {"0", "1"}; }
};

// Normal clouds of deviation 1 around three centers, which the seed puts into [-10, 10) in every direction.
class Blobs : public SyntheticSet {
 public:
  static constexpr std::size_t kBlobs = 3;
  Blobs(std::uint64_t seed, double noise, std::size_t features) : SyntheticSet(seed, noise) {
    for (std::size_t i = 0; i < kBlobs * features; ++i) centers_.push_back(20 * fixed().uniform(i) - 10);
  }
  double row(std::uint64_t r, std::span<float> x) const override {
    const std::size_t blob = pick(r, kBlobs);
    const double* center = centers_.data() + blob * x.size();
    for (std::size_t j = 0; j < x.size(); ++j)
      x[j] = static_cast<float>(center[j] + normal(r, j, x.size()) + noise(r, j, x.size()));
    return static_cast<double>(blob);
  }
  [[nodiscard]] std::vector<std::string> classes() const override { return {"0", "1", "2"}; }

 private:
  std::vector<double> centers_;  // (blobs, features)
};

// y = v . tanh(W x + b): W ~ N(0, 1/features), b ~ N(0, 1), v ~ N(0, 1/units), so that y has about unit size.
class Teacher : public SyntheticSet {
 public:
  static constexpr std::size_t kUnits = 16;
  Teacher(std::uint64_t seed, double noise, std::size_t features) : SyntheticSet(seed, noise) {
    std::uint64_t next = 0;
    const auto draw = [&](std::vector<double>& into, std::size_t count, double fan) {
      for (std::size_t i = 0; i < count; ++i) into.push_back(fixed().normal(next++) / std::sqrt(fan));
    };
    draw(v_, kUnits, kUnits);
    draw(b_, kUnits, 1);
    draw(w_, kUnits * features, static_cast<double>(features));
  }
  double row(std::uint64_t r, std::span<float> x) const override {
    for (std::size_t j = 0; j < x.size(); ++j) x[j] = static_cast<float>(normal(r, j, x.size()));
    double y = 0;
    for (std::size_t k = 0; k < kUnits; ++k) {
      double z = b_[k];
      for (std::size_t j = 0; j < x.size(); ++j) z += w_[k * x.size() + j] * x[j];
      y += v_[k] * std::tanh(z);
    }
    return y + noise(r);
  }

 private:
  std::vector<double> w_;      // (units, features)
  std::vector<double> b_, v_;  // (units)
};

template <class Set>
std::unique_ptr<SyntheticSet> make_plain(std::uint64_t seed, double noise, std::size_t) {
  return std::make_unique<Set>(seed, noise);
}

template <class Set>
std::unique_ptr<SyntheticSet> make_sized(std::uint64_t seed, double noise, std::size_t features) {
  return std::make_unique<Set>(seed, noise, features);
}

}  // namespace

SyntheticSet::SyntheticSet(std::uint64_t seed, double noise)
    : values_(seed, RandomUse::kGenerator, 0),
      noise_(seed, RandomUse::kGenerator, 1),
      fixed_(seed, RandomUse::kGenerator, 2),
      picks_(seed, RandomUse::kGenerator, 3),
      deviation_(noise) {}

float SyntheticSet::uniform(std::uint64_t r, std::size_t column, std::size_t columns) const {
  return static_cast<float>(values_.bits(r * columns + column) >> 40) * 0x1p-24F;
}

double SyntheticSet::normal(std::uint64_t r, std::size_t column, std::size_t columns) const {
  return values_.normal(r * columns + column);
}

double SyntheticSet::noise(std::uint64_t r, std::size_t column, std::size_t columns) const {
  return deviation_ == 0 ? 0 : deviation_ * noise_.normal(r * columns + column);
}

std::size_t SyntheticSet::pick(std::uint64_t r, std::size_t count) const {
  return static_cast<std::size_t>(picks_.uniform(r) * static_cast<double>(count));
}

const std::vector<SyntheticKind>& synthetic_kinds() {
  static const std::vector<SyntheticKind> kinds{
      {"friedman1", "y = 10 sin(pi x0 x1) + 20 (x2 - 0.5)^2 + 10 x3 + 5 x4, x uniform in [0, 1); at least 5 features",
       10, 5, true, make_plain<Friedman1>},
      {"rosenbrock", "y = sum of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2, x uniform in [-2, 2); at least 2 features", 2,
       2, true, make_plain<Rosenbrock>},
      {"spirals", "two classes: arms of 1.5 turns around each other; 2 features", 2, 2, false, make_plain<Spirals>},
      {"blobs", "three classes: normal clouds of deviation 1 around centers of the seed; 2 features by default", 2, 1,
       true, make_sized<Blobs>},
      {"teacher", "y = v . tanh(W x + b), a network of 16 units of the seed, x standard normal; 10 features by default",
       10, 1, true, make_sized<Teacher>},
  };
  return kinds;
}

}  // namespace gradloom
