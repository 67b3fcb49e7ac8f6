//! The names of runtimes.

/// Of these AWS creates no function any more; those that are there may run on (Lambda developer guide, "Lambda runtimes").
const NO_LONGER_CREATED: [&str; 22] = [
    "dotnet5.0",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "java8",
    "nodejs",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "provided",
    "python2.7",
    "python3.6",
    "python3.7",
    "ruby2.5",
    "ruby2.7",
    "ruby3.1",
];

/// Whether a name can be one of a runtime: of those that are and of those that may come.
pub(super) fn is_runtime(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_version =
        |text: &str| text.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    let after = |family: &str| name.strip_prefix(family);
    NO_LONGER_CREATED.contains(&name)
        || after("nodejs").is_some_and(|rest| rest.strip_suffix(".x").is_some_and(is_number))
        || after("python").or_else(|| after("ruby")).is_some_and(is_version)
        || after("java").is_some_and(|rest| is_number(rest.strip_suffix(".al2").unwrap_or(rest)))
        || after("dotnet").is_some_and(is_number)
        || after("provided.al").is_some_and(is_number)
}

/// Whether AWS creates no function of it any more.
pub(super) fn is_retired(name: &str) -> bool {
    NO_LONGER_CREATED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runtimes_are_told_from_others() {
        for name in [
            "nodejs24.x",
            "python3.14",
            "ruby4.0",
            "java8.al2",
            "java25",
            "dotnet10",
            "provided.al2",
            "provided.al2023",
            "go1.x",
            "nodejs4.3",
            "provided",
        ] {
            assert!(is_runtime(name), "{name}");
        }
        for name in [
            "",
            "node",
            "nodejs20",
            "NodeJS20.x",
            "python",
            "python3",
            "python 3.12",
            "Python3.12",
            "java",
            "provided.al",
            "rust",
        ] {
            assert!(!is_runtime(name), "{name}");
        }
        assert!(is_retired("python3.7") && !is_retired("python3.12"));
    }
}
