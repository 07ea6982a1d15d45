// Trains a network on data in memory, asks it for predictions it has not seen, and judges them: the library in one
// file.

#include <cmath>
#include <cstdio>
#include <gradloom/gradloom.hpp>

/// `rows` points of the wave y = sin(2 x0) + x1², spread evenly over [-1, 1) x [-1, 1) by a golden-ratio sequence.
static gradloom::Dataset<float> wave(std::size_t rows, double start) {
  gradloom::Dataset<float> data;
  data.x = gradloom::Matrix<float>(rows, 2);
  data.y = gradloom::Matrix<float>(rows, 1);
  for (std::size_t row = 0; row < rows; ++row) {
    const double i = start + static_cast<double>(row);
    const double x0 = 2 * std::fmod(i * 0.7548776662, 1.0) - 1;
    const double x1 = 2 * std::fmod(i * 0.5698402910, 1.0) - 1;
    data.x(row, 0) = static_cast<float>(x0);
    data.x(row, 1) = static_cast<float>(x1);
    data.y(row, 0) = static_cast<float>(std::sin(2 * x0) + x1 * x1);
  }
  return data;
}

int main() try {
  gradloom::Config config;
  config.model.layers = {{32, gradloom::Activation::kTanh}, {1, gradloom::Activation::kLinear}};
  config.train.epochs = 100;
  config.train.batch_size = 32;
  config.optimizer.learning_rate = 0.05;
  config.optimizer.momentum = 0.9;
  const gradloom::Model<float> model = gradloom::fit<float>(config, wave(2000, 0));

  const gradloom::Dataset<float> unseen = wave(500, 0.5);
  const gradloom::Matrix<float> prediction = model.predict(unseen.x.view());
  double squares = 0;
  for (std::size_t row = 0; row < unseen.rows(); ++row) {
    squares += std::pow(prediction(row, 0) - unseen.y(row, 0), 2);
  }
  const double rmse = std::sqrt(squares / static_cast<double>(unseen.rows()));
  std::printf("RMSE on 500 rows it has not seen: %.4f\n", rmse);
  return rmse < 0.05 ? 0 : 1;  // the targets' own deviation is 0.83
} catch (const gradloom::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return static_cast<int>(error.code());
}
