//! What every OpenFeature provider of hoist is made of.
