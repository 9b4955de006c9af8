//! `Given`: the variables that something which is started gets, whole and as changes of the daemon's own. Pure.

use std::ffi::OsString;
use std::sync::Arc;

use super::Variables;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// All of them.
    pub(crate) all: Arc<Variables>,
    /// What the daemon's own variables lack, have otherwise, or have too much (`None`). Usually short, and the rest is inherited: with
    /// `env_clear` the standard library copies each variable twice more.
    pub(crate) changes: Vec<(OsString, Option<OsString>)>,
}

impl Given {
    pub(super) fn new(all: Variables, own: &Variables) -> Self {
        let others = all.iter().filter(|(name, value)| own.get(*name) != Some(*value));
        let set = others.map(|(name, value)| (name.clone(), Some(value.clone())));
        let removed = own.keys().filter(|name| !all.contains_key(*name)).map(|name| (name.clone(), None));
        let changes = set.chain(removed).collect();
        Self { all: Arc::new(all), changes }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variables() -> impl Strategy<Value = Variables> {
        let text = |pattern: &'static str| pattern.prop_map(OsString::from);
        proptest::collection::btree_map(text("[A-D]"), text("[x-z]?"), 0..5)
    }

    proptest! {
        #[test]
        fn the_changes_make_all_of_the_own_ones(all in variables(), own in variables()) {
            let given = Given::new(all.clone(), &own);
            let mut made = own.clone();
            for (name, value) in &given.changes {
                match value {
                    Some(value) => prop_assert_ne!(made.insert(name.clone(), value.clone()), Some(value.clone())),
                    None => prop_assert!(made.remove(name).is_some()),
                }
            }
            prop_assert_eq!(made, all);
        }
    }
}
