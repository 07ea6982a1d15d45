#pragma once

#include <cstdio>
#include <memory>

#include "gradloom/trainer.hpp"

namespace gradloom {

/// Shows training to a person: on a terminal a bar with epoch, loss, samples per second and time left, redrawn at most
/// ten times a second; elsewhere a plain line for each epoch (at most ten a second) and, where an epoch takes long, for
/// a logged step every other second. `out` must outlive the observer.
std::unique_ptr<TrainingObserver> make_console_observer(std::FILE* out, bool is_terminal);

}  // namespace gradloom
