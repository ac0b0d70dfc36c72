//! The resolver of providers that are a source and nothing more.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kit::{Emitter, Local, NoRuntime, Provider};
use store::Followed;

use crate::{Stored, StoredFlags};

/// Whose flags are evaluated here.
pub trait Named: Send + Sync + 'static {
    /// The provider's name.
    const NAME: &'static str;
}

/// Resolves flags that are followed and kept here, by evaluating them here.
pub struct InProcess<N> {
    stored: Stored,
    name: PhantomData<fn() -> N>,
}

/// How the flags are kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keeping<'k> {
    /// Where the last good ones are kept, for a start without their origin.
    pub last_known_good: Option<&'k Path>,
    /// How long their origin may be away before they are stale; none means the store's default.
    pub stale_after: Option<Duration>,
}

impl<N: Named> InProcess<N> {
    /// A provider that follows one origin. Must be called in a Tokio runtime.
    ///
    /// # Errors
    /// There is none.
    pub fn provider(followed: Followed, keeping: Keeping<'_>) -> Result<Provider<Self>, NoRuntime> {
        let mut settings = Stored::settings();
        settings.state_dir = keeping.last_known_good.map(Path::to_owned);
        // The one that is served, and the one before.
        settings.generations = 2;
        settings.stale_after = keeping.stale_after.unwrap_or(settings.stale_after);
        let stored = Stored::open(N::NAME, settings, vec![followed])?;
        Ok(Provider::new(Self { stored, name: PhantomData }))
    }
}

impl<N: Named> Local for InProcess<N> {
    const NAME: &'static str = N::NAME;

    type View = StoredFlags;

    fn view(&self) -> Arc<StoredFlags> {
        self.stored.view()
    }

    #[inline]
    fn read<T>(&self, look: impl FnOnce(&StoredFlags) -> T) -> T {
        self.stored.read(look)
    }

    fn events(&self) -> &Emitter {
        self.stored.events()
    }
}

impl<N> fmt::Debug for InProcess<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InProcess").field(&self.stored).finish()
    }
}
