//! Flow records of a host's own, as rows of named columns: scored without packets.

use super::Detector;
use crate::{
    Error, ErrorKind, Result,
    features::{Column, Rows},
    parallel,
};
use std::{collections::HashMap, sync::Arc};

/// What the heads of a detector can judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doors {
    /// Frames, through a [`Monitor`](crate::Monitor), which keeps the sessions.
    pub frames: bool,
    /// Packets of sessions that a host keeps, through a [`HostedMonitor`](crate::monitor::HostedMonitor).
    pub sessions: bool,
    /// Flow records, through [`judge_records`](Detector::judge_records): no head reads single packets.
    pub records: bool,
}

/// Flow records: rows of quantities in named columns, in the units of docs/features.md.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// The names of the columns. Those that no head reads are left out.
    pub names: &'a [&'a str],
    /// The quantities, row by row: `names.len()` a row. NaN where there is none.
    pub values: &'a [f64],
}

/// What a detector says of a flow record, by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RecordVerdict {
    /// How strange it is, as [`Verdict::score`](crate::Verdict::score).
    pub score: f32,
    /// The share of benign sessions at least as strange, above 0 and at most 1.
    pub p_value: f64,
    /// Whether the score is above the [cut](Detector::threshold) of sessions judged by themselves.
    pub anomaly: bool,
}

/// Where a head's column stands among those of the records, and how it is stored.
type Place<'a> = (usize, &'a Column);

impl Detector {
    /// What the heads can judge.
    pub fn doors(&self) -> Doors {
        Doors { frames: true, sessions: true, records: self.packet_head().is_none() }
    }

    /// The columns that [`judge_records`](Self::judge_records) wants: those of all heads, each once, in their order.
    pub fn record_columns(&self) -> Vec<&Column> {
        let mut columns: Vec<&Column> = Vec::new();
        for column in self.schemas().flat_map(|schema| schema.columns()) {
            if !columns.iter().any(|known| known.name == column.name) {
                columns.push(column);
            }
        }
        columns
    }

    /// The verdicts on flow records, each by itself, in their order: what [`judge`](Self::judge) says of a session of these
    /// quantities that is seen once.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] that names the head, where one reads packets or a column that the records have not;
    /// [`ErrorKind::Config`] where two columns have one name; [`ErrorKind::Data`] where the values are no whole number of rows,
    /// one is infinite, or one is NaN whose column has no way to say that there is none; what a user's own model returns.
    pub fn judge_records(&self, records: Records<'_>) -> Result<Vec<RecordVerdict>> {
        if let Some(head) = self.packet_head() {
            let message = format!(
                "head {head} reads the packets of a session, which flow records have not: give it packets (Monitor, HostedMonitor)"
            );
            return Err(Error::new(ErrorKind::Schema, message));
        }
        let places = self.places(records.names)?;
        let width = records.names.len();
        if width == 0 || !records.values.len().is_multiple_of(width) {
            let message = format!("{} values do not make rows of {width} columns each", records.values.len());
            return Err(Error::new(ErrorKind::Data, message));
        }
        let rows: Vec<(usize, &[f64])> = records.values.chunks_exact(width).enumerate().collect();
        parallel::in_chunks(&rows, self.threads, |rows| {
            let mut sums = vec![0.0; rows.len()];
            for (head, places) in self.heads.iter().zip(&places) {
                let data = store(rows, places)?;
                let rows = Rows::flat(head.scorer.schema().clone(), data).map_err(|e| head.scorer.place(e))?;
                let scores = head.scorer.score_rows(&head.scorer.scaler.apply(rows)?)?;
                sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += head.surprise(score));
            }
            let verdict = |sum: f64| {
                let score = sum as f32;
                RecordVerdict { score, p_value: self.combined.p_value(score), anomaly: score > self.threshold }
            };
            Ok(sums.into_iter().map(verdict).collect())
        })
    }

    /// The first head that reads packets.
    fn packet_head(&self) -> Option<Arc<str>> {
        self.heads.iter().find(|head| head.scorer.spec.steps().is_some()).map(|head| head.scorer.name.clone())
    }

    /// Where each head finds its columns.
    fn places(&self, names: &[&str]) -> Result<Vec<Vec<Place<'_>>>> {
        let mut known = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            if known.insert(*name, place).is_some() {
                let message = format!("the records have column {name} twice, names must be unique");
                return Err(Error::new(ErrorKind::Config, message));
            }
        }
        let mut places = Vec::new();
        for head in &*self.heads {
            let missing = |column: &Column| {
                let message = format!(
                    "head {} reads column {} [{}], which the records have not (docs/features.md)",
                    head.scorer.name, column.name, column.unit
                );
                Error::new(ErrorKind::Schema, message)
            };
            let mut of_head = Vec::new();
            for column in head.scorer.scaler.schema().columns() {
                of_head.push((*known.get(&*column.name).ok_or_else(|| missing(column))?, column));
            }
            places.push(of_head);
        }
        Ok(places)
    }
}

/// Rows that are stored column by column: how a column is stored is asked once for so many.
const FEW: usize = 32;

/// The stored numbers of some rows, (rows, places).
fn store(rows: &[(usize, &[f64])], places: &[Place<'_>]) -> Result<Vec<f32>> {
    let width = places.len();
    let mut data = vec![0.0; rows.len() * width];
    let mut few = vec![[0.0; FEW]; width];
    for (rows, data) in rows.chunks(FEW).zip(data.chunks_mut(FEW * width)) {
        for (i, (_, values)) in rows.iter().enumerate() {
            few.iter_mut().zip(places).for_each(|(quantities, (place, _))| quantities[i] = values[*place]);
        }
        let mut stored = [0.0; FEW];
        for (i, (quantities, (_, column))) in few.iter().zip(places).enumerate() {
            column.transform.apply_all(quantities, &mut stored);
            let missing = column.missing.unwrap_or(f32::NAN);
            let mut finite = true;
            for ((cell, &stored), quantity) in data[i..].iter_mut().step_by(width).zip(&stored).zip(quantities) {
                *cell = if quantity.is_nan() { missing } else { stored };
                finite &= cell.is_finite();
            }
            if !finite {
                let row = (0..rows.len()).find(|row| !data[row * width + i].is_finite()).unwrap_or(0);
                let (number, quantity, name) = (rows[row].0, quantities[row], &column.name);
                let message = format!("row {number}, column {name} is {quantity}, it must be a finite quantity");
                return Err(Error::new(ErrorKind::Data, message));
            }
        }
    }
    Ok(data)
}

#[cfg(test)]
mod tests;
