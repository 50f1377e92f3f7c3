"""The arithmetic of "why is the GPU slower": pure functions of numbers, which touch no device.

All times are microseconds a minibatch. What the rooms above call:

* `statistics`: `median`, `bootstrap_median(samples)`, `paired_difference(before, after)` (samples of the same rounds),
  `has_effect(interval)`; `median_interval` for what is not resampled.
* `replay`: `replay(calls)` plays a minibatch's calls in steady state: `period_us`, and the timelines of
  host and device.
* `decomposition`: `decompose(rung, lane, calls, wall_us, dilation)` gives a `Decomposition` whose parts and residual
  sum to `wall_us`, or `Missing`; `why_no_what_if(decomposition)` says why nothing may be predicted from it, "" if
  something may; `without_timer(calls, timer_us)` takes the timer's own cost out of what was recorded.
* `what_if`: edits of calls (`without_implicit_copies`, `with_pinned_copies`, `with_resident_data`,
  `without_read_back`, `with_fused_kernels`, `as_graph`), `predict(...)` which makes a `Prediction` of two call lists,
  `persistent_bound(...)`, `with_measured(predictions, rungs)` and `mean_absolute_error(predictions)`.
* `break_even`: `find_break_even(variable, cpu_lane, gpu_lane, points)`, `sizes_to_check`, `with_checks`, `faster_lane`.
* `causes`: `judge(explanation)` says which causes clear the thresholds, by how much and how surely.
* `cards`: what a minibatch would take on a card of the table, predicted.
"""
