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
    use std::sync::Arc;

    use kit::{Emitter, Local, Provider};
    use local::{Stored, StoredFlags};
    use store::{BUILT_IN, Origin, find};

    type Failure = Box<dyn std::error::Error + Send + Sync>;

    /// The resolver of a document on disk.
    #[derive(Debug)]
    pub struct File(Stored);

    /// A provider of the document at `path`, JSON or YAML. It may come later: until then the provider is not ready. Must be
    /// called on a tokio runtime.
    ///
    /// # Errors
    /// There is no runtime, or the path cannot be followed.
    pub fn provider(path: &str) -> Result<Provider<File>, Failure> {
        let kind = find(BUILT_IN, "file").ok_or("the store was built without files")?;
        let origin = Origin::new("file", path, serde_json::Map::new());
        let source = (kind.build)(&origin)?;
        Ok(Provider::new(File(Stored::open("file", Stored::settings(), vec![(origin, source)])?)))
    }

    impl Local for File {
        const NAME: &'static str = "file";
        type View = StoredFlags;

        fn view(&self) -> Arc<StoredFlags> {
            self.0.view()
        }

        fn read<T>(&self, look: impl FnOnce(&StoredFlags) -> T) -> T {
            self.0.read(look)
        }

        fn events(&self) -> &Emitter {
            self.0.events()
        }
    }
}
