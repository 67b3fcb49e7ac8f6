//! What is compared with sharp: the handler's pixels, asked in the words of a job.

use handler::job::ResizeJob;
use handler::pixels::jpeg::Arena;
use handler::pixels::options::Rendition;
use handler::pixels::{self, Encoded, Limits, PixelError};
use serde_json::{Value, json};

/// Reads outputs as a job has them; fields that only sharp's script knows are left out.
pub(crate) fn renditions(outputs: &[Value]) -> Vec<Rendition> {
    let outputs: Vec<Value> = outputs.iter().enumerate().map(|(index, output)| as_in_a_job(index, output)).collect();
    let job = json!({ "source": "s3://photos/source", "outputs": outputs });
    let job = ResizeJob::from_value(&job).unwrap_or_else(|error| panic!("{job} is no job: {error:?}"));
    job.outputs().iter().filter_map(|output| output.rendition().cloned()).collect()
}

fn as_in_a_job(index: usize, output: &Value) -> Value {
    let mut output = output.as_object().expect("an output is an object").clone();
    for theirs in ["to", "extract", "fastShrinkOnLoad"] {
        output.remove(theirs);
    }
    output.insert("target".to_owned(), format!("s3://thumbs/{index}").into());
    output.into()
}

/// Makes the renditions of a file.
pub(crate) fn resize(bytes: &[u8], renditions: &[Rendition], arena: &mut Arena) -> Result<Vec<Encoded>, PixelError> {
    let limits = Limits::default();
    pixels::render(bytes, &pixels::probe(bytes, &limits)?, renditions, &limits, arena)
}
