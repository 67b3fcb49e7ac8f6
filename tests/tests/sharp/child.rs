//! Sharp in a process of its own, asked line by line: `tests/sharp/resize.mjs`.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A running node with sharp in it, which ends when this is dropped.
pub(crate) struct Sharp {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What was made of one input.
pub(crate) struct Answer {
    /// Width, height and bytes of each output.
    pub(crate) outputs: Vec<(u32, u32, u64)>,
    /// Processor time of the whole process from the bytes of the input to those of the outputs.
    #[allow(dead_code, reason = "the test does not look at it")]
    pub(crate) cpu_microseconds: u64,
    /// The most memory that the process ever had.
    #[allow(dead_code, reason = "the test does not look at it")]
    pub(crate) resident_bytes_max: u64,
}

impl Sharp {
    /// Where the package is, unless `SHARP` says otherwise; an error is a sentence for people.
    pub(crate) fn packages() -> Result<PathBuf, String> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = env::var_os("SHARP").map_or_else(|| here.join("../.cache/sharp"), PathBuf::from);
        let missing = packages.join("node_modules/sharp");
        let found = packages.canonicalize().ok().filter(|_| missing.exists());
        found.ok_or_else(|| format!("{} is not there; .ci/install_sharp installs it", missing.display()))
    }

    /// Starts node with what [`Self::packages`] found.
    pub(crate) fn start(packages: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sharp/resize.mjs");
        let mut command = Command::new("node");
        command.arg(script).env("SHARP", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("node can be started");
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("it was asked for"));
        Self { process, requests, answers }
    }

    /// Makes outputs of a file. The words of an output are those of a job, and those that the script adds.
    pub(crate) fn resize(&mut self, input: &Path, outputs: &[Value]) -> Result<Answer, String> {
        let answer = self.ask(&json!({ "input": input, "outputs": outputs }))?;
        let number = |value: &Value| value.as_u64().expect("the script answers with numbers");
        let side = |value: &Value| u32::try_from(number(value)).expect("an image is smaller");
        let outputs = answer["outputs"].as_array().expect("the script answers with a list");
        Ok(Answer {
            outputs: outputs
                .iter()
                .map(|output| (side(&output["width"]), side(&output["height"]), number(&output["bytes"])))
                .collect(),
            cpu_microseconds: number(&answer["cpuMicroseconds"]),
            resident_bytes_max: number(&answer["residentBytesMax"]),
        })
    }

    /// Where the crop begins that a strategy finds in the resized picture.
    #[allow(dead_code, reason = "the benchmark does not ask")]
    pub(crate) fn crop(&mut self, input: &Path, output: &Value) -> (u32, u32) {
        let answer = self.ask(&json!({ "input": input, "outputs": [output] })).expect("it can be cropped");
        let number = |name: &str| answer["outputs"][0][name].as_u64().and_then(|number| u32::try_from(number).ok());
        (number("left").expect("a place"), number("top").expect("a place"))
    }

    /// Makes a file of raw pixels; the fields are those that the script has for it.
    pub(crate) fn make(&mut self, request: &Value) {
        self.ask(request).unwrap_or_else(|error| panic!("sharp cannot make {request}: {error}"));
    }

    fn ask(&mut self, request: &Value) -> Result<Value, String> {
        let requests = self.requests.as_mut().expect("it is open until this is dropped");
        writeln!(requests, "{request}").expect("the script reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the script answers in text");
        let answer: Value = serde_json::from_str(&line).expect("the script answers each request in JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }
}

impl Drop for Sharp {
    fn drop(&mut self) {
        // The script ends with its input.
        self.requests = None;
        let _ = self.process.wait();
    }
}
