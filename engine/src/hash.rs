//! MurmurHash3 x86_32.
