//! How seldom values were seen: for columns that name something and have no magnitude.

use super::{
    Model, Progress, Watch,
    bytes::{Reader, Writer},
    one_step,
};
use crate::{
    Error, ErrorKind, Result,
    features::{Rows, Schema},
};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Scores a row by how seldom each of its values was seen in training: the mean over the columns of `-ln` of the value's share.
///
/// Values are names: only whether two are equal counts, never how far apart they are. One more of each value is counted than
/// there were (Laplace's rule of succession), so that a value never seen has a score too: that of one seen once in as many rows
/// again. A frequency a column, multiplied over columns as if these were independent, is what HBOS does with histograms
/// (Goldstein and Dengel, "Histogram-based outlier score", KI 2012).
#[derive(Debug, Clone, PartialEq)]
pub struct Rarity {
    schema: Schema,
    rows: u32,
    /// For each column its values, ascending, and how often each was seen.
    counts: Vec<Vec<(f32, u32)>>,
}

impl Rarity {
    pub(crate) const KIND: &'static str = "rarity";

    /// Counts the values of some rows.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where there is no row, or more than 2^32 - 1; [`ErrorKind::Schema`] where rows have several steps.
    pub fn fit(rows: &Rows) -> Result<Self> {
        one_step(Self::KIND, rows)?;
        let Some(count) = u32::try_from(rows.len()).ok().filter(|count| *count > 0) else {
            return Err(Error::new(ErrorKind::Data, format!("{} rows, rarity needs 1 to {}", rows.len(), u32::MAX)));
        };
        let mut counts = vec![BTreeMap::<u32, (f32, u32)>::new(); rows.width()];
        for row in rows.data().chunks_exact(rows.width()) {
            for (seen, value) in counts.iter_mut().zip(row) {
                seen.entry(order(*value)).or_insert((value + 0.0, 0)).1 += 1;
            }
        }
        let counts = counts.into_iter().map(|seen| seen.into_values().collect()).collect();
        Ok(Self { schema: rows.schema().as_ref().clone(), rows: count, counts })
    }

    /// As [`fit`](Self::fit); `watch` is told before and after.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`ErrorKind::Canceled`] where `watch` says stop.
    pub fn fit_with(rows: &Rows, watch: &mut Watch<'_>) -> Result<Self> {
        let mut tell = |done| {
            let progress = Progress::new(Self::KIND, done);
            match watch(&progress) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => {
                    let message = format!("fitting {} was stopped at {:.0} %", Self::KIND, done * 100.0);
                    Err(Error::new(ErrorKind::Canceled, message))
                }
            }
        };
        tell(0.0)?;
        let fitted = Self::fit(rows)?;
        tell(1.0)?;
        Ok(fitted)
    }

    /// How often a value of a column was seen; 0 for one that was not, or a column there is none of.
    pub fn count(&self, column: usize, value: f32) -> u32 {
        let Some(seen) = self.counts.get(column) else { return 0 };
        seen.binary_search_by_key(&order(value), |(value, _)| order(*value)).map_or(0, |place| seen[place].1)
    }

    /// The model of what [`to_bytes`](Model::to_bytes) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFile`](crate::ErrorKind::ModelFile) where the bytes are none of such a model of these columns.
    pub fn from_bytes(schema: Schema, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(Self::KIND, bytes);
        let rows = reader.u32()?;
        let mut counts = Vec::new();
        for column in schema.columns() {
            let values = reader.u32()? as usize;
            if reader.left() / 8 < values {
                return Err(reader.error(format_args!("{values} values do not fit in {} bytes", reader.left())));
            }
            let mut seen: Vec<(f32, u32)> = Vec::with_capacity(values);
            let mut left = rows;
            for _ in 0..values {
                let (value, count) = (reader.f32()?, reader.u32()?);
                let ascends = seen.last().is_none_or(|(before, _)| order(*before) < order(value));
                left = match left.checked_sub(count) {
                    Some(left) if ascends && count > 0 => left,
                    _ => {
                        let wanted = "values ascend and their counts, from 1 on, add up to the rows";
                        return Err(reader.error(format_args!("value {value}, count {count}: {wanted}, {rows}")));
                    }
                };
                seen.push((value, count));
            }
            if left > 0 || rows == 0 {
                let message = format!("column {}: counts come to {} of {rows} rows", column.name, rows - left);
                return Err(reader.error(message));
            }
            counts.push(seen);
        }
        reader.finish()?;
        Ok(Self { schema, rows, counts })
    }
}

/// A number that rises with a finite value, the same for both zeros.
fn order(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

impl Model for Rarity {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
        self.schema.check(rows.schema())?;
        one_step(Self::KIND, rows)?;
        let all = (f64::from(self.rows) + 1.0).ln();
        let rarity = |(column, value): (usize, &f32)| all - (f64::from(self.count(column, *value)) + 1.0).ln();
        let mean = |row: &[f32]| row.iter().enumerate().map(rarity).sum::<f64>() / row.len() as f64;
        Ok(rows.data().chunks_exact(rows.width()).map(|row| mean(row) as f32).collect())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u32(self.rows);
        for seen in &self.counts {
            writer.u32(seen.len() as u32);
            for (value, count) in seen {
                writer.f32(*value);
                writer.u32(*count);
            }
        }
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Column;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn rows(values: &[[f32; 2]]) -> Rows {
        let schema = Schema::new("names", vec![Column::new("a", "", ""), Column::new("b", "", "")]).unwrap();
        Rows::flat(Arc::new(schema), values.concat()).unwrap()
    }

    #[test]
    fn scores_are_mean_logarithms_of_shares_whatever_the_values() {
        let model = Rarity::fit(&rows(&[[80.0, 1.0], [80.0, 2.0], [-3.0, 1.0], [80.0, 1.0]])).unwrap();
        assert_eq!([80.0, -3.0, 81.0].map(|value| model.count(0, value)), [3, 1, 0]);
        assert_eq!(model.count(2, 80.0), 0);
        let scores = model.score(&rows(&[[80.0, 1.0], [81.0, 1.0], [1e30, 1.0], [81.0, 9.0]])).unwrap();
        let near = |score: f32, share: f64| (f64::from(score) + share.ln()).abs() < 1e-6;
        assert!(near(scores[0], 4.0 / 5.0), "{scores:?}");
        assert!(near(scores[1], (1.0_f64 / 5.0 * 4.0 / 5.0).sqrt()) && scores[1] == scores[2]);
        assert!(near(scores[3], 1.0 / 5.0));
    }

    #[test]
    fn comes_back_from_bytes_and_corrupt_bytes_are_refused() {
        let train = rows(&[[80.0, 1.0], [0.0, 2.0], [-0.0, 1.0], [-7.5, 1.0]]);
        let model = Rarity::fit(&train).unwrap();
        assert_eq!(model.count(0, -0.0), 2);
        let bytes = model.to_bytes();
        let read = |bytes: &[u8]| Rarity::from_bytes(train.schema().as_ref().clone(), bytes);
        assert_eq!(read(&bytes).unwrap(), model);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]).unwrap_err().kind(), ErrorKind::ModelFile, "cut at {cut}");
        }
        for (at, flip) in (0..bytes.len()).flat_map(|at| [(at, 0x01), (at, 0x80), (at, 0xff)]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(model) = read(&damaged) {
                assert!(model.score(&train).unwrap().iter().all(|score| score.is_finite()), "byte {at}");
                assert_eq!(read(&model.to_bytes()).unwrap(), model);
            }
        }
        let message = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(
            message(&[&bytes[..], &[0]].concat()),
            format!("model rarity, byte {}: 1 bytes left over, none expected", bytes.len())
        );
        let many = [&bytes[..4], &[255; 4]].concat();
        assert_eq!(message(&many), "model rarity, byte 8: 4294967295 values do not fit in 0 bytes");
    }

    #[test]
    fn refuses_what_it_cannot_count() {
        assert_eq!(Rarity::fit(&rows(&[])).unwrap_err().to_string(), "0 rows, rarity needs 1 to 4294967295");
        let schema = rows(&[]).schema().clone();
        let sequences = Rows::sequences(schema, 2, vec![0.0; 8], vec![2, 1]).unwrap();
        let wanted = "model rarity wants rows of 1 step each, these have 2 steps";
        assert_eq!(Rarity::fit(&sequences).unwrap_err().to_string(), wanted);
        let stop = Rarity::fit_with(&rows(&[[1.0, 1.0]]), &mut |_| ControlFlow::Break(())).unwrap_err();
        assert_eq!(
            (stop.kind(), stop.to_string()),
            (ErrorKind::Canceled, "fitting rarity was stopped at 0 %".to_owned())
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(model) = Rarity::from_bytes(rows(&[]).schema().as_ref().clone(), &bytes) {
                prop_assert_eq!(model.to_bytes(), bytes);
            }
        }

        #[test]
        fn what_is_rarer_never_scores_lower(values in prop::collection::vec(0u8..6, 1..60), probe in 0u8..8) {
            let train: Vec<[f32; 2]> = values.iter().map(|value| [f32::from(*value), 0.0]).collect();
            let model = Rarity::fit(&rows(&train)).unwrap();
            let score = |value: u8| model.score(&rows(&[[f32::from(value), 0.0]])).unwrap()[0];
            let count = |value: u8| values.iter().filter(|other| **other == value).count();
            for value in 0..8 {
                prop_assert_eq!(count(value) < count(probe), score(value) > score(probe));
            }
        }
    }
}
