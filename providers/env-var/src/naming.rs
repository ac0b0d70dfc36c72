//! From a flag's key to a variable's name.

use std::borrow::Cow;

/// How a key becomes a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// `new-shop`, `new.shop` and `newShop` are all `NEW_SHOP`.
    #[default]
    UpperSnake,
    /// The key itself.
    AsIs,
}

impl Naming {
    /// The name for `key`, without a prefix.
    pub fn name(self, key: &str) -> Cow<'_, str> {
        match self {
            Self::UpperSnake => Cow::Owned(upper_snake(key)),
            Self::AsIs => Cow::Borrowed(key),
        }
    }
}

fn upper_snake(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    let mut chars = key.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(c) = chars.next() {
        if !c.is_alphanumeric() {
            before = None;
            if !name.is_empty() && !name.ends_with('_') {
                name.push('_');
            }
            continue;
        }
        // A new word begins at a capital after a small letter or digit, and at the last capital of several.
        let begins = match before {
            Some(before) if c.is_uppercase() => {
                !before.is_uppercase() || chars.peek().is_some_and(|next| next.is_lowercase())
            }
            _ => false,
        };
        if begins && !name.ends_with('_') {
            name.push('_');
        }
        name.extend(c.to_uppercase());
        before = Some(c);
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (key, name) in [
            ("new-shop", "NEW_SHOP"),
            ("new.shop", "NEW_SHOP"),
            ("newShop", "NEW_SHOP"),
            ("NEW_SHOP", "NEW_SHOP"),
            ("new  shop!", "NEW_SHOP"),
            ("v2Cart", "V2_CART"),
            ("cart2", "CART2"),
            ("HTTPServer", "HTTP_SERVER"),
            ("-x-", "X"),
            ("größe", "GRÖSSE"),
            ("", ""),
        ] {
            assert_eq!(Naming::UpperSnake.name(key), name, "{key}");
        }
        assert_eq!(Naming::AsIs.name("new-shop"), "new-shop");
    }
}
