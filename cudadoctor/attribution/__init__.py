"""The arithmetic of "why is the GPU slower": pure functions of numbers, which touch no device.

All times are microseconds a minibatch. What the rooms above call:

* `statistics`: `median`, `bootstrap_median(samples)`, `paired_difference(before, after)` (samples of the same rounds),
  `has_effect(interval)`; `ordered_interval(samples)` where there are many.
* `replay`: `replay(calls)` plays a minibatch's calls in steady state: `period_us`, and the timelines of
  host and device.
* `decomposition`: `decompose(rung, lane, calls, wall_us, dilation)` gives a `Decomposition` whose parts and residual
  sum to `wall_us`, or `Missing`; `why_no_what_if(decomposition)` says why nothing may be predicted from it, "" if
  something may; `without_timer(calls, timer_us)` and `without_dilation(calls, dilation)` take what timing cost out.
* `what_if`: edits of calls (`without_implicit_copies`, `with_pinned_copies`, `with_resident_data`,
  `without_read_back`, `with_fused_kernels`, `as_graph`), `predict(...)` which makes a `Prediction` of two call lists,
  `with_measured(predictions, rungs)` and `mean_absolute_error(predictions)`.
* `break_even`: `find_break_even(variable, cpu_lane, gpu_lane, points)`, `sizes_to_check`, `with_checks`, `faster_lane`.
* `ladder`: rungs of an explanation by id, and what going from one to another was measured to save; `patterns`: what
  slow calls look like; `circumstances`: clocks, limits, neighbours, warm-up and the CPU's effort.
* `causes`: `judge(race)` says which causes clear the thresholds, by how much and how surely.
* `cards`: `predicted_us(card, style, reference)` for a card of the table, with its range, by the constants of this
  project's kernels (`H100`) or of a library's (`LIBRARIES`); `fitted(race, card)` takes them from a recorded race.
  `of_2014`: the minibatch of 2014 as calls, and where its time went.
"""
