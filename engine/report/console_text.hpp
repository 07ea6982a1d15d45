#pragma once

#include <cstddef>
#include <string>

#include "gradloom/trainer.hpp"
#include "gradloom/work_progress.hpp"

/// What the console shows, as text: apart from the drawing so that it can be tested.
namespace gradloom {

/// "950", "12.3k", "4.56M": three significant digits.
std::string short_count(double count);

/// "4.2s", "3m 05s", "2h 07m", "3d 04h"; "?" for what is not a finite time.
std::string short_duration(double seconds);

/// "0.0123": five significant digits.
std::string short_number(double value);

/// Rows, network, shards and where the run starts from; several lines, each with its end.
std::string start_text(const StartReport& start);

/// Epochs of the whole run, counting a last one that max-steps cuts short; 0 where there is nothing to do.
std::uint64_t total_epochs(const StartReport& start);

std::string step_text(const StartReport& start, const StepReport& step);
std::string epoch_text(const StartReport& start, const EpochReport& epoch);

/// One line of less than `width` columns, such as
/// "epoch 3/10 [=======>      ]  52%  loss 0.0123  1.2M samples/s  12s left".
std::string bar_text(const StartReport& start, const StepReport& step, double samples_per_second, double seconds_left,
                     std::size_t width);

/// The same for other work, such as "writing [====>     ]  52%  310MB/s  12s left"; where the total is not known
/// "receiving 1.2GB  310MB/s".
std::string work_text(const WorkProgress& progress, double bytes_per_second, std::size_t width);

}  // namespace gradloom
