#include "gradloom/config.hpp"
#include "support/catch.hpp"

using gradloom::nearest_name;

TEST_CASE("The nearest name is found by edit distance", "[config]") {
  const std::vector<std::string> known = {"relu", "elu", "gelu", "sigmoid", "batch-size"};
  CHECK(nearest_name("relu", known) == "relu");
  CHECK(nearest_name("reul", known) == "relu");  // a swap is one edit
  CHECK(nearest_name("sigmod", known) == "sigmoid");
  CHECK(nearest_name("batch_size", known) == "batch-size");
  CHECK(nearest_name("batchsize", known) == "batch-size");
  CHECK(nearest_name("bach-sze", known) == "batch-size");
}

TEST_CASE("Nothing is proposed where nothing is near", "[config]") {
  const std::vector<std::string> known = {"relu", "sigmoid"};
  CHECK_FALSE(nearest_name("", known));
  CHECK_FALSE(nearest_name("tanh", known));
  CHECK_FALSE(nearest_name("softplus", known));
  CHECK_FALSE(nearest_name(std::string(1000, 's'), known));
  CHECK_FALSE(nearest_name("relu", {}));
}

TEST_CASE("Of equally near names the first is taken", "[config]") {
  CHECK(nearest_name("xelu", {"relu", "gelu"}) == "relu");
}
