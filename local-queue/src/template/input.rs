//! What a template is read with.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    Options,
    document::Yaml,
    parts::Parts,
    sources::{Sources, folder_of, relative},
};
use crate::engine::Limits;

/// What one template is read with: that of the whole, or that of a nested stack.
pub(super) struct Input<'a> {
    pub(super) options: &'a Options,
    pub(super) limits: &'a Limits,
    pub(super) sources: &'a Sources,
    /// Values of its parameters that are not left at their default.
    pub(super) parameters: BTreeMap<String, Yaml>,
    /// Its file, relative to the folder of the template; none of that itself.
    pub(super) path: Option<String>,
    /// What stands before its logical ids, such as `Stack/`.
    pub(super) prefix: String,
    /// The files of the stacks around it.
    pub(super) within: Vec<PathBuf>,
    /// What reads a nested stack, as the whole is read.
    pub(super) read: fn(&Input<'_>, &str) -> Parts,
}

impl<'a> Input<'a> {
    /// That of the template itself.
    pub(super) fn of_template(
        options: &'a Options,
        limits: &'a Limits,
        sources: &'a Sources,
        read: fn(&Input<'_>, &str) -> Parts,
    ) -> Self {
        let parameters = options.parameters.iter().map(|(name, text)| (name.clone(), Yaml::text(1, text))).collect();
        let (path, prefix, within) = (None, String::new(), Vec::new());
        Self { options, limits, sources, parameters, path, prefix, within, read }
    }

    /// A path that this template names, relative to the folder of the whole.
    pub(super) fn path_of(&self, path: &str) -> String {
        match self.path.as_deref().map(folder_of) {
            None | Some("") => path.to_owned(),
            Some(folder) => relative(folder, path),
        }
    }
}
