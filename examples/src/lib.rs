//! One file per example, each at most 100 lines, under `examples/`.
