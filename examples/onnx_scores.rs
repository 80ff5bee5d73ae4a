//! Prints the scores, and then what is expected, that tract computes: FOLDER NAME STEPS COLUMNS LENGTHS, as `onnx_scores.py` of
//! the tests does by onnxruntime.

use nf_core::{Column, Error, ErrorKind, Result, Rows, Schema};
use nf_examples::{edge::Graph, exit};
use std::{env, fs, path::Path, process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    exit("onnx_scores", run())
}

fn run() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, name, sizes @ ..] = &arguments[..] else {
        return Err(refused("FOLDER NAME STEPS COLUMNS LENGTHS wanted"));
    };
    let sizes = sizes.join(",").split(',').map(str::parse).collect::<Result<Vec<u32>, _>>().map_err(refused)?;
    let [steps, columns, lengths @ ..] = &sizes[..] else { return Err(refused("STEPS COLUMNS LENGTHS wanted")) };
    let read = |name: &str| {
        let path = Path::new(folder).join(name);
        fs::read(&path).map_err(|error| Error::new(ErrorKind::Io, format!("{}: {error}", path.display())))
    };
    let columns = (0..*columns).map(|i| Column::new(format!("x{i}"), "", "")).collect();
    let schema = Schema::new("test", columns)?;
    let graph = Graph::new(schema.clone(), &read(&format!("{name}.onnx"))?)?;
    let data = read("rows")?.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let rows = Rows::sequences(Arc::new(schema.clone()), *steps as usize, data, lengths.to_vec())?;
    let (scores, expected) = graph.run(&rows)?;
    // Rows are 0 behind their length.
    let expected = Rows::sequences(Arc::new(schema), rows.steps(), expected, lengths.to_vec())?;
    scores.iter().chain(expected.data()).for_each(|number| println!("{number}"));
    Ok(())
}

fn refused(message: impl ToString) -> Error {
    Error::new(ErrorKind::Config, message.to_string())
}
