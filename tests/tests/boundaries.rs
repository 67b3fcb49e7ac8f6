//! Which part of a crate may import which.
//!
//! One table for each crate, from the ground up: a part - a file or a folder at the top of a crate - may import what its row
//! names, and a row may name only rows above it. So there is no circle between parts. Within a part no circle of files is
//! allowed either, where a file and the folder below it count as one.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A part and what it may import.
type Row = (&'static str, &'static [&'static str]);

const ENGINE: &[Row] = &[
    ("canary", &[]),
    ("characters", &[]),
    ("ids", &[]),
    ("limits", &[]),
    ("counts", &[]),
    ("ordered_set", &[]),
    ("slab", &[]),
    ("time", &[]),
    ("arn", &[]),
    ("codec", &["arn", "ids", "time"]),
    ("order", &["time"]),
    ("attributes", &["arn", "codec"]),
    ("error", &["arn", "attributes"]),
    ("names", &["error", "limits"]),
    ("settings", &["arn", "attributes", "error", "limits", "time"]),
    ("message_attribute", &["characters", "error", "limits"]),
    ("message", &["arn", "characters", "codec", "error", "ids", "message_attribute", "time"]),
    ("move_task", &["arn", "ids", "time"]),
    ("quota", &["error", "time"]),
    ("history", &["arn", "ids", "message", "time"]),
    ("visibility", &["arn", "ids", "time"]),
    ("waiters", &["message", "time"]),
    ("footprint", &["arn", "message", "message_attribute"]),
    ("standard", &["codec", "footprint", "order", "ordered_set", "slab", "time"]),
    ("fifo", &["codec", "footprint", "ids", "limits", "message", "order", "slab", "time"]),
    (
        "queue",
        &[
            "arn",
            "attributes",
            "codec",
            "counts",
            "fifo",
            "footprint",
            "history",
            "ids",
            "limits",
            "message",
            "move_task",
            "order",
            "ordered_set",
            "quota",
            "settings",
            "slab",
            "standard",
            "time",
            "visibility",
            "waiters",
        ],
    ),
    (
        "engine",
        &[
            "arn",
            "attributes",
            "codec",
            "counts",
            "error",
            "fifo",
            "history",
            "ids",
            "limits",
            "message",
            "move_task",
            "names",
            "queue",
            "quota",
            "settings",
            "slab",
            "time",
            "visibility",
            "waiters",
        ],
    ),
];

const LOCAL_QUEUE: &[Row] = &[
    ("action", &[]),
    ("clock", &[]),
    ("json", &[]),
    ("memory", &[]),
    ("receipt_handle", &[]),
    ("journal", &["receipt_handle"]),
    ("recorded", &["journal"]),
    ("declaration", &["recorded"]),
    ("faults", &["action", "recorded"]),
    ("metrics", &["action"]),
    ("local_queue", &["clock", "declaration", "faults", "journal", "metrics", "receipt_handle", "recorded"]),
    ("protocol", &["action", "declaration", "faults", "json", "local_queue", "memory", "receipt_handle", "recorded"]),
    ("apis", &["action", "local_queue", "protocol"]),
    ("client", &["clock", "faults", "local_queue", "protocol"]),
    ("drop_in", &["local_queue", "protocol"]),
    ("config", &["declaration", "protocol"]),
    ("event_source_mapping", &["clock", "local_queue", "protocol"]),
    ("buckets", &["event_source_mapping", "local_queue", "protocol"]),
    ("template", &["apis", "declaration", "event_source_mapping", "protocol"]),
    ("runtime_api", &["clock", "event_source_mapping"]),
    ("lambda_api", &["clock", "event_source_mapping", "json", "local_queue", "runtime_api"]),
    (
        "developer",
        &["clock", "faults", "json", "lambda_api", "local_queue", "metrics", "protocol", "recorded", "runtime_api"],
    ),
    (
        "console",
        &[
            "action",
            "apis",
            "buckets",
            "developer",
            "event_source_mapping",
            "faults",
            "lambda_api",
            "local_queue",
            "protocol",
            "recorded",
            "runtime_api",
        ],
    ),
    (
        "server",
        &[
            "apis",
            "buckets",
            "clock",
            "console",
            "developer",
            "drop_in",
            "faults",
            "lambda_api",
            "local_queue",
            "memory",
            "metrics",
            "protocol",
        ],
    ),
];

const BATCH: &[Row] = &[
    ("aws", &[]),
    ("deadline", &[]),
    ("failure", &[]),
    ("event", &["failure"]),
    ("batch", &["deadline", "event", "failure"]),
    ("dead_letter", &["aws", "batch", "event", "failure"]),
    ("lambda", &["batch", "deadline"]),
    ("worker", &["aws", "batch", "deadline", "event", "failure"]),
];

const PIXELS: &[Row] = &[
    ("area", &[]),
    ("cie", &[]),
    ("dispatch", &[]),
    ("fields", &[]),
    ("format", &[]),
    ("error", &["area", "format"]),
    ("limits", &["area", "error"]),
    ("options", &[]),
    ("orientation", &["area", "fields"]),
    ("geometry", &["area", "options", "orientation"]),
    ("raster", &["area", "error", "options", "orientation"]),
    ("planes", &["area", "dispatch", "error", "raster"]),
    ("recognise", &["error", "fields", "format"]),
    ("samples", &["format"]),
    ("scale", &["area", "error", "options", "raster"]),
    ("edit", &["area", "cie", "dispatch", "error", "options", "raster"]),
    ("interest", &["area", "cie", "error", "options", "raster", "scale"]),
    ("lzw", &[]),
    ("zigzag", &[]),
    ("encode", &["area", "dispatch", "error", "format", "options", "planes", "raster", "zigzag"]),
    ("jpeg", &["area", "dispatch", "error", "fields", "format", "limits", "planes", "zigzag"]),
    ("tiff", &["area", "error", "fields", "format", "jpeg", "limits", "lzw", "orientation", "raster"]),
    ("heif", &["area", "error", "fields", "format", "limits", "orientation", "planes", "raster"]),
    ("probe", &["area", "error", "fields", "format", "heif", "jpeg", "limits", "orientation", "tiff"]),
    ("color", &["dispatch", "error", "fields", "limits", "options", "probe", "raster"]),
    ("summary", &["area", "color", "error", "options", "raster"]),
    ("resampling", &["area", "encode", "format", "geometry", "options", "orientation", "probe"]),
    ("picture", &["area", "error", "jpeg", "orientation", "planes", "raster", "resampling", "scale"]),
    (
        "decode",
        &[
            "area",
            "color",
            "error",
            "format",
            "heif",
            "jpeg",
            "limits",
            "lzw",
            "picture",
            "probe",
            "raster",
            "resampling",
            "tiff",
        ],
    ),
    ("kept", &["area", "fields", "format", "heif", "jpeg", "probe"]),
    ("price", &["area", "geometry", "interest", "jpeg", "options", "probe", "resampling"]),
];

const HANDLER: &[Row] = &[
    ("budget", &[]),
    ("storage", &[]),
    ("job", &["storage"]),
    ("event", &["job", "storage"]),
    ("resize", &["budget", "event", "job", "storage"]),
    ("settings", &["event", "resize", "storage"]),
    ("telemetry", &["resize", "settings"]),
];

#[test]
fn the_engine_imports_downwards_only() {
    check("local-queue/engine/src", ENGINE, &[]);
}

#[test]
fn local_queue_imports_downwards_only() {
    check("local-queue/src", LOCAL_QUEUE, &[]);
}

#[test]
fn the_batch_runtime_imports_downwards_only() {
    check("handler/batch/src", BATCH, &[]);
}

#[test]
fn pixels_import_downwards_only() {
    // An arena lends the strips that give their rows back to it.
    check("handler/pixels/src", PIXELS, &["jpeg::arena, jpeg::strips"]);
}

#[test]
fn the_handler_imports_downwards_only() {
    check("handler/src", HANDLER, &[]);
}

/// Checks a crate against its table; `known` are the circles of files that it still has.
fn check(sources: &str, table: &[Row], known: &[&str]) {
    let modules = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(sources));
    let imports = modules.imports();
    let mut faults = Vec::new();
    for (index, (part, allowed)) in table.iter().enumerate() {
        for above in allowed.iter().filter(|name| !table[..index].iter().any(|row| row.0 == **name)) {
            faults.push(format!("the table lets {part} import {above}, which is not above it"));
        }
    }
    let mut used = BTreeSet::new();
    for (from, to) in &imports {
        let (Some(part), Some(imported)) = (from.first(), to.first()) else { continue };
        if part == imported {
            continue;
        }
        used.insert((part.as_str(), imported.as_str()));
        let row = table.iter().find(|row| row.0 == part);
        if !row.is_some_and(|row| row.1.contains(&imported.as_str())) {
            faults.push(format!("{} imports {}, which the table does not allow", show(from), show(to)));
        }
    }
    for (part, allowed) in table {
        let unused = allowed.iter().filter(|imported| !used.contains(&(*part, **imported)));
        faults.extend(unused.map(|imported| format!("{part} does not import {imported}, which the table allows")));
    }
    let circles = circles(&imports).iter().map(|circle| circle.join(", ")).collect::<Vec<_>>();
    let unknown = circles.iter().filter(|circle| !known.contains(&circle.as_str()));
    faults.extend(unknown.map(|circle| format!("a circle of files: {circle}")));
    let mended = known.iter().filter(|circle| !circles.iter().any(|found| found == *circle));
    faults.extend(mended.map(|circle| format!("no circle of files any more: {circle}")));
    assert!(faults.is_empty(), "in {sources}:\n{}", faults.join("\n"));
}

/// A module by the names on the way to it; the front door of a crate is the empty one.
type Module = Vec<String>;

fn show(module: &Module) -> String {
    module.join("::")
}

/// Files that import each other, however far around. What a file and the folder below it have of each other is their own.
fn circles(imports: &BTreeSet<(Module, Module)>) -> Vec<Vec<String>> {
    let kin = |one: &Module, other: &Module| one.starts_with(other) || other.starts_with(one);
    let mut reached: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (from, to) in imports.iter().filter(|(from, to)| !kin(from, to)) {
        reached.entry(from).or_default().insert(to);
    }
    loop {
        let before = reached.values().map(BTreeSet::len).sum::<usize>();
        for module in reached.keys().copied().collect::<Vec<_>>() {
            let further = reached[module].iter().filter_map(|next| reached.get(next)).flatten().copied();
            let further = further.collect::<Vec<_>>();
            reached.entry(module).or_default().extend(further);
        }
        if reached.values().map(BTreeSet::len).sum::<usize>() == before {
            break;
        }
    }
    let back = |from: &Module, to: &Module| reached.get(to).is_some_and(|further| further.contains(from));
    let circle = |module: &Module| {
        reached[module].iter().filter(|next| back(module, next)).map(|next| show(next)).collect::<Vec<_>>()
    };
    reached
        .keys()
        .map(|module| circle(module))
        .filter(|circle| !circle.is_empty())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The modules of a crate, each as its tokens, without what only tests compile.
struct Crate(BTreeMap<Module, Vec<String>>);

impl Crate {
    fn read(sources: &Path) -> Self {
        let mut modules = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(sources.join(&folder)).unwrap() {
                let path = folder.join(entry.unwrap().file_name());
                let name = path.file_stem().unwrap().to_str().unwrap();
                // Programs are crates of their own, and tests may look anywhere.
                if name == "tests" || path == Path::new("bin") {
                } else if sources.join(&path).is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let mut module: Module =
                        path.with_extension("").iter().map(|name| name.to_str().unwrap().to_owned()).collect();
                    module.pop_if(|name| *name == "mod" || *name == "lib");
                    modules.insert(module, without_tests(&tokens(&fs::read_to_string(sources.join(&path)).unwrap())));
                }
            }
        }
        assert!(modules.len() > 5, "{} has sources", sources.display());
        Self(modules)
    }

    /// Who imports from whom, as files; what is given on from elsewhere counts as imported from there.
    fn imports(&self) -> BTreeSet<(Module, Module)> {
        let mut given_on = BTreeMap::new();
        let mut imports = Vec::new();
        for (module, tokens) in &self.0 {
            for Import { path, public } in found(tokens) {
                let Some(path) = self.absolute(module, &path) else { continue };
                if public {
                    given_on.insert([module.as_slice(), &path[path.len() - 1..]].concat(), path.clone());
                }
                imports.push((module, path, public));
            }
        }
        let resolved = imports.into_iter().map(|(module, path, public)| (module, self.file(path, &given_on), public));
        let others =
            resolved.filter(|(module, file, public)| *module != file && !(*public && file.starts_with(module)));
        others.map(|(module, file, _)| (module.clone(), file)).collect()
    }

    /// A path from the front door on; nothing for what is of another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let up = path.iter().take_while(|name| *name == "super").count();
        let start = match path[0].as_str() {
            "crate" => &[],
            "self" => module.as_slice(),
            "super" => &module[..module.len().checked_sub(up)?],
            child if self.0.contains_key(&[module.as_slice(), &[child.to_owned()]].concat()) => {
                return Some([module.as_slice(), path].concat());
            }
            _ => return None,
        };
        Some([start, &path[up.max(1)..]].concat())
    }

    /// The file in which a path ends.
    fn file(&self, mut path: Module, given_on: &BTreeMap<Module, Module>) -> Module {
        while let Some((length, origin)) = (1..=path.len()).find_map(|length| {
            let origin = given_on.get(&path[..length])?;
            (!self.0.contains_key(&path[..length]) && *origin != path[..length]).then_some((length, origin))
        }) {
            path = [origin.as_slice(), &path[length..]].concat();
        }
        while !self.0.contains_key(&path) {
            path.pop();
        }
        path
    }
}

/// Names, `::` and punctuation, without comments, texts and characters.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            4 + raw.find("\"#").unwrap() + 1
        } else if first == '"' {
            text_length(rest)
        } else if first == '\'' {
            // A lifetime has no second quote behind its first character.
            let character = rest[1..].chars().next().map_or(0, char::len_utf8);
            if rest[1..].starts_with('\\') {
                2 + rest[3..].find('\'').unwrap() + 2
            } else if rest[1 + character..].starts_with('\'') {
                character + 2
            } else {
                1
            }
        } else if name > 0 {
            tokens.push(rest[..name].to_owned());
            name
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest[1..].find(|it| {
        let ends = it == '"' && !escaped;
        escaped = it == '\\' && !escaped;
        ends
    });
    end.unwrap() + 2
}

/// Leaves out the items behind `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const TESTS_ONLY: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        if !TESTS_ONLY.iter().eq(rest.iter().take(TESTS_ONLY.len())) {
            kept.push(rest[0].clone());
            rest = &rest[1..];
            continue;
        }
        let mut depth = 0;
        let end = rest.iter().position(|token| {
            depth += i32::from(token == "{") - i32::from(token == "}");
            depth == 0 && (token == ";" || token == "}")
        });
        rest = &rest[end.unwrap() + 1..];
    }
    kept
}

struct Import {
    path: Vec<String>,
    public: bool,
}

/// What is imported, and every path in code that begins with `crate` or `super`.
fn found(tokens: &[String]) -> Vec<Import> {
    let mut found = Vec::new();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        if token == "use" {
            let public = index > 0 && ["pub", ")"].contains(&tokens[index - 1].as_str());
            let mut paths = Vec::new();
            index = tree(tokens, index + 1, &[], &mut paths);
            found.extend(paths.into_iter().map(|path| Import { path, public }));
        } else if ["crate", "super"].contains(&token.as_str()) && tokens.get(index + 1).is_some_and(|next| next == "::")
        {
            let names =
                tokens[index..].chunks(2).take_while(|pair| pair.get(1).is_some_and(|next| next == "::")).count();
            let path = tokens[index..].iter().step_by(2).take(names + 1).cloned().collect();
            found.push(Import { path, public: false });
            index += names * 2;
        }
        index += 1;
    }
    found
}

/// Takes a tree of imports apart, and says where it ends.
fn tree(tokens: &[String], mut index: usize, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens[index].as_str() {
            "::" => index += 1,
            "as" => index += 2,
            "{" => {
                index += 1;
                while tokens[index] != "}" {
                    index = tree(tokens, index, &path, paths);
                    index += usize::from(tokens[index] == ",");
                }
                return index + 1;
            }
            "," | "}" | ";" => {
                path.pop_if(|name| name == "self" || name == "*");
                if !path.is_empty() {
                    paths.push(path);
                }
                return index;
            }
            name => {
                path.push(name.to_owned());
                index += 1;
            }
        }
    }
}
