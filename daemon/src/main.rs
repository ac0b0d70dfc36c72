//! hoistd
fn main() {}
