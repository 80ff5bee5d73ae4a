//! Heads as ONNX graphs, run by tract: for devices that the neural backend is too large for.

use nf_core::{Detector, Error, ErrorKind, Model, Result, Rows, Schema};
use std::{fmt::Display, path::Path, sync::Arc};
use tract_onnx::prelude::{
    Framework, InferenceModelExt, IntoRunnable, IntoTValue, TVec, Tensor, TractResult, TypedRunnableModel, onnx,
};

/// The detector in a folder that `Detector::export_onnx` wrote.
///
/// # Errors
/// As [`Detector::load_with`]; [`ErrorKind::ModelFile`] where tract cannot read a graph.
pub fn load(folder: &Path) -> Result<Detector> {
    Detector::load_with(folder.join("detector.nf"), |kind, schema, graph| match kind {
        Graph::KIND => Ok(Some(Box::new(Graph::new(schema.clone(), graph)?))),
        _ => Ok(None),
    })
}

/// A model as the graph that [`Model::to_onnx`] gave. The number of rows, and of their steps, is open.
#[derive(Debug)]
pub struct Graph {
    schema: Schema,
    bytes: Vec<u8>,
    plan: Arc<TypedRunnableModel>,
    /// Whether it reads the length of each row too.
    lengths: bool,
}

impl Graph {
    /// How a model file names such models.
    const KIND: &'static str = "onnx";

    /// Reads a graph that scores rows of these columns.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFile`] where tract cannot read it.
    pub fn new(schema: Schema, bytes: &[u8]) -> Result<Self> {
        let read = || onnx().model_for_read(&mut &*bytes)?.into_optimized()?.into_runnable();
        let plan = read().map_err(|error| failed(ErrorKind::ModelFile, error))?;
        let lengths = plan.model().inputs.len() > 1;
        Ok(Self { schema, bytes: bytes.to_vec(), plan, lengths })
    }

    /// The scores of some rows, and what is expected of them, in one run. What is expected behind a row's length means nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] where the rows have other columns, [`ErrorKind::Data`] where tract fails.
    pub fn run(&self, rows: &Rows) -> Result<(Vec<f32>, Vec<f32>)> {
        self.schema.check(rows.schema())?;
        self.run_on(rows.data(), rows.steps(), rows.lengths())
    }

    fn run_on(&self, data: &[f32], steps: usize, lengths: &[u32]) -> Result<(Vec<f32>, Vec<f32>)> {
        let (count, width) = (lengths.len(), self.schema.width());
        let run = || -> TractResult<(Vec<f32>, Vec<f32>)> {
            let mut inputs = TVec::new();
            if self.lengths {
                let lengths: Vec<i64> = lengths.iter().map(|length| i64::from(*length)).collect();
                inputs.push(Tensor::from_shape(&[count, steps, width], data)?.into_tvalue());
                inputs.push(Tensor::from_shape(&[count], &lengths)?.into_tvalue());
            } else {
                inputs.push(Tensor::from_shape(&[count, width], data)?.into_tvalue());
            }
            let outputs = self.plan.run(inputs)?;
            let numbers = |output: &Tensor| -> TractResult<Vec<f32>> {
                Ok(output.to_plain_array_view::<f32>()?.iter().copied().collect())
            };
            Ok((numbers(&outputs[0])?, numbers(&outputs[1])?))
        };
        run().map_err(|error| failed(ErrorKind::Data, error))
    }

    /// Each row by itself, without the padding behind it: so its score does not depend on others, and memory is that of one.
    fn each(&self, rows: &Rows, mut take: impl FnMut((Vec<f32>, Vec<f32>))) -> Result<()> {
        self.schema.check(rows.schema())?;
        for (i, &length) in rows.lengths().iter().enumerate() {
            let steps = (length as usize).max(1);
            take(self.run_on(&rows.row(i)[..steps * rows.width()], steps, &[length])?);
        }
        Ok(())
    }
}

impl Model for Graph {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
        let mut scores = Vec::with_capacity(rows.len());
        self.each(rows, |(score, _)| scores.extend(score))?;
        Ok(scores)
    }

    fn expected(&self, rows: &Rows) -> Result<Option<Vec<f32>>> {
        let (mut all, row) = (Vec::with_capacity(rows.data().len()), rows.steps() * rows.width());
        self.each(rows, |(_, expected)| {
            all.extend(expected);
            all.resize(all.len().next_multiple_of(row), 0.0);
        })?;
        Ok(Some(all))
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }
}

fn failed(kind: ErrorKind, error: impl Display) -> Error {
    Error::new(kind, format!("tract: {error:#}"))
}
