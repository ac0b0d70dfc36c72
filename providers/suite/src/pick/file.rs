//! `file`: a flagd document on disk, watched and evaluated here. `HOIST_FLAGS_PATH` names it.

use super::Build;

#[cfg(feature = "file")]
pub use built::{File, provider};

#[cfg(feature = "file")]
pub(super) const BUILD: Option<Build> = Some(|get| {
    let path = get("HOIST_FLAGS_PATH").unwrap_or_else(|| "flags.json".to_owned());
    Ok(provider(&path)?.erase())
});
#[cfg(not(feature = "file"))]
pub(super) const BUILD: Option<Build> = None;

#[cfg(feature = "file")]
mod built {
    use kit::Provider;
    use local::{InProcess, Keeping, Named};
    use store::{BUILT_IN, Origin, find};

    type Failure = Box<dyn std::error::Error + Send + Sync>;

    /// The resolver of a document on disk.
    pub type File = InProcess<OnDisk>;

    /// A document on disk.
    #[derive(Debug)]
    pub enum OnDisk {}

    impl Named for OnDisk {
        const NAME: &'static str = "file";
    }

    /// A provider of the document at `path`, JSON or YAML. It may come later: until then the provider is not ready. Must be
    /// called on a tokio runtime.
    ///
    /// # Errors
    /// There is no runtime, or the path cannot be followed.
    pub fn provider(path: &str) -> Result<Provider<File>, Failure> {
        let kind = find(BUILT_IN, "file").ok_or("the store was built without files")?;
        let origin = Origin::new("file", path, serde_json::Map::new());
        let source = (kind.build)(&origin)?;
        Ok(File::provider((origin, source), Keeping::default())?)
    }
}
