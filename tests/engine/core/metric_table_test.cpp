#include "gradloom/metrics.hpp"
#include "support/catch.hpp"

namespace gradloom {

TEST_CASE("names of metrics read back, usual parameters are left out", "[metrics]") {
  for (const char* name :
       {"accuracy", "top_1", "top_50", "precision", "macro_f1", "auc", "log_loss", "calibration_error",
        "calibration_error_20", "rmse", "r2", "max_error", "pinball", "pinball_0.9", "pinball_0", "pinball_1"}) {
    INFO(name);
    REQUIRE(parse_metric(name));
    CHECK(to_string(*parse_metric(name)) == name);
    const std::string monitor = std::string("valid_") + name;
    REQUIRE(parse_monitor(monitor));
    CHECK(to_string(*parse_monitor(monitor)) == monitor);
  }
  CHECK(parse_metric("pinball_0.50") == parse_metric("pinball"));
  CHECK(parse_metric("pinball_-0") == parse_metric("pinball_0"));
  CHECK(to_string(*parse_metric("calibration_error_15")) == "calibration_error");
  for (const char* wrong :
       {"", "loss", "top", "top_", "top_0", "top_2.5", "top_-1", "top_nan", "top_1x", "top_1e10", "pinball_",
        "pinball_1.1", "pinball_-1", "calibration_error_0", "accuracy_1", "Accuracy", "top_K", "r2 "}) {
    INFO(wrong);
    CHECK_FALSE(parse_metric(wrong));
  }
  for (const char* wrong : {"", "valid_", "train_auc", "auc", "loss"}) CHECK_FALSE(parse_monitor(wrong));
  CHECK(to_string(*parse_monitor("train_loss")) == "train_loss");
}

TEST_CASE("what rises is told apart from what falls", "[metrics]") {
  for (const char* name : {"valid_accuracy", "valid_top_3", "valid_f1", "valid_macro_recall", "valid_auc", "valid_r2"})
    CHECK(rises(*parse_monitor(name)));
  for (const char* name : {"valid_loss", "train_loss", "valid_log_loss", "valid_calibration_error", "valid_mse",
                           "valid_rmse", "valid_mae", "valid_max_error", "valid_pinball_0.1"})
    CHECK_FALSE(rises(*parse_monitor(name)));
}

TEST_CASE("a model has the metrics of its loss and its classes", "[metrics]") {
  CHECK(why_absent(*parse_metric("top_5"), Loss::kCategoricalCrossEntropy, 6).empty());
  CHECK_FALSE(why_absent(*parse_metric("top_5"), Loss::kCategoricalCrossEntropy, 5).empty());
  CHECK_FALSE(why_absent(*parse_metric("top_5"), Loss::kBinaryCrossEntropy, 6).empty());
  CHECK(why_absent(*parse_metric("mae"), Loss::kBinaryCrossEntropy, 1) ==
        "binary-cross-entropy has: accuracy, precision, recall, f1, macro_precision, macro_recall, macro_f1, auc, "
        "log_loss, calibration_error");
  for (const Loss loss : {Loss::kMse, Loss::kBinaryCrossEntropy, Loss::kCategoricalCrossEntropy})
    for (const std::size_t outputs : {2, 9}) {
      const std::vector<Metric> all = all_metrics(loss, outputs);
      CHECK(all.size() == (loss == Loss::kMse ? 6 : loss == Loss::kCategoricalCrossEntropy && outputs == 9 ? 11 : 10));
      for (const Metric& metric : all) CHECK(why_absent(metric, loss, outputs).empty());
    }
}

}  // namespace gradloom
