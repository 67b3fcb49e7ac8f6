//! Which output goes where. No two outputs share a place, and none is the place of an input.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use handler::job::{Output, ResizeJob};
use handler::storage::Location;

use super::find::InputImages;
use super::renditions::{RenditionChoice, Requested};
use super::report::Refused;

/// One job to submit.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) path: PathBuf,
    pub(crate) job: ResizeJob,
}

/// What will be submitted.
#[derive(Debug, Default)]
pub(crate) struct JobPlan {
    pub(crate) planned: Vec<Planned>,
    pub(crate) refused: Vec<Refused>,
    /// Outputs that got longer names because theirs were those of others.
    pub(crate) renamed: usize,
}

/// Makes the jobs.
pub(crate) fn plan(found: InputImages, choice: &RenditionChoice, out: &Path) -> anyhow::Result<JobPlan> {
    let InputImages { images, paths, refused, .. } = found;
    let mut plan = JobPlan { refused, ..JobPlan::default() };
    let mut requested = Vec::new();
    for image in images {
        match choice.outputs(&image) {
            Ok(outputs) => requested.push((image, outputs)),
            Err(reason) => plan.refused.push(Refused { source: image.path, reason }),
        }
    }
    let mut names = Names::default();
    for output in requested.iter().flat_map(|(_, outputs)| outputs) {
        names.request(&output.name);
    }
    for (image, requested) in requested {
        let mut outputs = Vec::new();
        for Requested { name, product, if_exists } in requested {
            let name = names.settle(&name, &image.relative);
            let path = out.join(name);
            if paths.contains(&path) {
                bail!("the output for {} would overwrite the photo {}", image.path.display(), path.display());
            }
            outputs.push(Location::file(&path).map(|target| Output { if_exists, ..Output::new(target, product) }));
        }
        let outputs: Result<Vec<_>, _> = outputs.into_iter().collect();
        let job = Location::file(&image.path)
            .and_then(|source| Ok((source, outputs?)))
            .map_err(|error| error.to_string())
            .and_then(|(source, outputs)| ResizeJob::new(source, outputs).map_err(|failure| failure.message));
        match job {
            Ok(job) => plan.planned.push(Planned { path: image.path, job }),
            Err(reason) => plan.refused.push(Refused { source: image.path, reason }),
        }
    }
    plan.renamed = names.renamed;
    Ok(plan)
}

/// Names below the folder of the outputs. Capitals make no difference to some file systems, so they make none here.
#[derive(Debug, Default)]
struct Names {
    /// Whether more than one output wants the name.
    requested: HashMap<String, bool>,
    renamed: usize,
}

impl Names {
    fn request(&mut self, name: &str) {
        self.requested.entry(name.to_lowercase()).and_modify(|shared| *shared = true).or_insert(false);
    }

    /// The name itself if nobody else wants it. Otherwise everyone who wants it puts their source's extension into it,
    /// so that which is which does not hang on who came first; what still meets then is numbered.
    fn settle(&mut self, name: &str, source: &Path) -> String {
        if self.requested.get(&name.to_lowercase()) != Some(&true) {
            return name.to_owned();
        }
        self.renamed += 1;
        let file_name_at = name.rfind('/').map_or(0, |slash| slash + 1);
        let dot = name[file_name_at..].rfind('.').filter(|dot| *dot > 0).map_or(name.len(), |dot| file_name_at + dot);
        let (stem, extension) = name.split_at(dot);
        let of_source = source.extension().and_then(|extension| extension.to_str());
        // The same extension twice would tell nobody anything.
        let of_source = of_source.filter(|of_source| extension.strip_prefix('.') != Some(of_source));
        let stem = of_source.map_or_else(|| stem.to_owned(), |of_source| format!("{stem}.{of_source}"));
        let mut settled = format!("{stem}{extension}");
        let mut number = 1;
        while self.requested.contains_key(&settled.to_lowercase()) {
            number += 1;
            settled = format!("{stem}-{number}{extension}");
        }
        self.requested.insert(settled.to_lowercase(), false);
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(requested: &[(&str, &str)]) -> Vec<String> {
        let mut names = Names::default();
        for (name, _) in requested {
            names.request(name);
        }
        requested.iter().map(|(name, source)| names.settle(name, Path::new(source))).collect()
    }

    #[test]
    fn names_that_meet_get_the_extensions_of_their_sources_and_others_stay() {
        let requested = [("a/cat.webp", "a/cat.jpg"), ("a/cat.webp", "a/cat.png"), ("cat.webp", "cat.jpg")];
        assert_eq!(settled(&requested), ["a/cat.jpg.webp", "a/cat.png.webp", "cat.webp"]);
        let capitals = [("Cat.jpg", "Cat.jpg"), ("cat.jpg", "cat.jpg")];
        assert_eq!(settled(&capitals), ["Cat-2.jpg", "cat-3.jpg"]);
    }

    #[test]
    fn what_still_meets_is_numbered() {
        let requested = [("cat.webp", "cat.jpg"), ("cat.webp", "x/cat.jpg"), ("cat.jpg.webp", "cat.jpg.webp")];
        assert_eq!(settled(&requested), ["cat.jpg-2.webp", "cat.jpg-3.webp", "cat.jpg.webp"]);
        assert_eq!(settled(&[("a/.cat", "x"), ("a/.cat", "y")]), ["a/.cat-2", "a/.cat-3"]);
    }
}
