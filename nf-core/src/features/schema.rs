//! What the columns of a table of rows mean, and the fingerprint that ties a model to them.

use super::log::{ln, ln_1p};
use crate::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, f64::consts::LN_10, fmt};

/// One column: its name, its unit, what it means, and how the stored number follows from the quantity in that unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Column {
    /// Name, unique in its schema, in lower case with underscores.
    pub name: Cow<'static, str>,
    /// Unit of the quantity: `"bytes"`, `"s"`, `"sessions"`, `"share"`; empty for a plain number.
    pub unit: Cow<'static, str>,
    /// One sentence: what the quantity is, and the value where it is missing.
    pub meaning: Cow<'static, str>,
    /// Which attacks it tells from benign traffic, in a few words; empty where nothing was said.
    #[serde(default)]
    pub catches: Cow<'static, str>,
    /// How the stored number follows from the quantity.
    pub transform: Transform,
    /// The stored number that says there is no such quantity in a row (a name's length where no name was asked).
    /// Scaling leaves it out of mean and deviation and puts it at the mean: among many rows without, a quantity that is
    /// extraordinary among the rows with it would look ordinary.
    pub missing: Option<f32>,
    /// The fact that the column states, its own name unless others state the same: what an
    /// [`Explanation`](crate::Explanation) names and sets to what was expected as one. A column that follows from several
    /// facts has their names, separated by a space.
    #[serde(default)]
    pub fact: Cow<'static, str>,
    /// The words for a value in a sentence. With braces they are where the quantity stands: `"{} in 10 s"` gives
    /// "54 ports in 10 s" and `"{destination} in 10 s"` "54 destination ports in 10 s"; `{outcome}` is the session's outcome.
    /// Without, they are a choice by the value, which goes from 0 to 1: `"nobody answered|somebody answered"`. Empty for the
    /// column's name and the quantity.
    #[serde(default)]
    pub phrase: Cow<'static, str>,
    /// Whose values they are, in plural, as in "benign hosts here reach 6".
    #[serde(default)]
    pub subject: Cow<'static, str>,
}

impl Column {
    /// A column of a user's own table, stored as it is.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        unit: impl Into<Cow<'static, str>>,
        meaning: impl Into<Cow<'static, str>>,
    ) -> Self {
        let name = name.into();
        Self {
            fact: name.clone(),
            name,
            unit: unit.into(),
            meaning: meaning.into(),
            catches: Cow::Borrowed(""),
            transform: Transform::Identity,
            missing: None,
            phrase: Cow::Borrowed(""),
            subject: Cow::Borrowed("sessions"),
        }
    }

    /// The same column as part of a fact that others state too.
    #[must_use]
    pub fn fact(mut self, fact: impl Into<Cow<'static, str>>) -> Self {
        self.fact = fact.into();
        self
    }

    /// The same column with the words of its sentence.
    #[must_use]
    pub fn phrase(mut self, phrase: impl Into<Cow<'static, str>>) -> Self {
        self.phrase = phrase.into();
        self
    }

    /// The same column with other bearers of its values than sessions.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<Cow<'static, str>>) -> Self {
        self.subject = subject.into();
        self
    }

    /// The same column with another transform.
    #[must_use]
    pub fn transform(mut self, transform: Transform) -> Self {
        self.transform = transform;
        self
    }

    /// The same column with what it catches.
    #[must_use]
    pub fn catches(mut self, attacks: impl Into<Cow<'static, str>>) -> Self {
        self.catches = attacks.into();
        self
    }

    /// The same column with a stored number that says there is none.
    #[must_use]
    pub fn missing(mut self, stored: f32) -> Self {
        self.missing = Some(stored);
        self
    }
}

/// How a stored number follows from a quantity. The constants are fixed: a transform never depends on a capture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Transform {
    /// Stored as it is.
    Identity,
    /// `quantity / scale`.
    Divide {
        /// What the quantity is divided by.
        scale: f32,
    },
    /// `ln(1 + quantity) / scale`.
    Log {
        /// What the logarithm is divided by.
        scale: f32,
    },
    /// `log10(1 + quantity / 1 us) / 7` for a quantity in seconds: 0 for none, 1 for 10 s.
    Gap,
    /// `ln(quantity + 0.02)` for a deviation over its mean: 0.05 is as far from 0.5 as 0.5 from 5.
    Variation,
}

/// Timers of one host on another jitter by about this much of a second.
const LEAST_VARIATION: f64 = 0.02;

impl Transform {
    /// The stored number of a quantity.
    #[inline]
    pub fn apply(self, quantity: f64) -> f32 {
        match self {
            Self::Identity => quantity as f32,
            Self::Divide { scale } => (quantity / f64::from(scale)) as f32,
            Self::Log { scale } => (ln_1p(quantity.max(0.0)) * (1.0 / f64::from(scale))) as f32,
            Self::Gap => (ln_1p(quantity.max(0.0) * 1e6) * (1.0 / (7.0 * LN_10))) as f32,
            Self::Variation => ln(quantity.max(0.0) + LEAST_VARIATION) as f32,
        }
    }

    /// As [`apply`](Self::apply), of many: which transform it is, is asked once.
    pub(crate) fn apply_all(self, quantities: &[f64], stored: &mut [f32]) {
        let pairs = stored.iter_mut().zip(quantities);
        match self {
            Self::Log { scale } => pairs.for_each(|(stored, of)| *stored = Self::Log { scale }.apply(*of)),
            Self::Gap => pairs.for_each(|(stored, of)| *stored = Self::Gap.apply(*of)),
            Self::Variation => pairs.for_each(|(stored, of)| *stored = Self::Variation.apply(*of)),
            other => pairs.for_each(|(stored, of)| *stored = other.apply(*of)),
        }
    }

    /// The quantity of a stored number, the inverse of [`apply`](Self::apply).
    pub fn invert(self, stored: f32) -> f64 {
        let stored = f64::from(stored);
        match self {
            Self::Identity => stored,
            Self::Divide { scale } => stored * f64::from(scale),
            Self::Log { scale } => (stored * f64::from(scale)).exp_m1(),
            Self::Gap => 10f64.powf(stored * 7.0 - 6.0) - 1e-6,
            Self::Variation => (stored.exp() - LEAST_VARIATION).max(0.0),
        }
    }

    /// As [`invert`](Self::invert), of a number that a model made up: counts, bytes and times are never below 0.
    pub(crate) fn quantity(self, stored: f32) -> f64 {
        let quantity = self.invert(stored);
        if matches!(self, Self::Log { .. } | Self::Gap) { quantity.max(0.0) } else { quantity }
    }
}

/// The columns of a table, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Schema {
    name: Cow<'static, str>,
    columns: Vec<Column>,
    /// Made once: two schemas are compared whenever a model reads rows.
    #[serde(skip_serializing)]
    fingerprint: Fingerprint,
}

/// A schema as it stands in a file.
#[derive(Deserialize)]
struct Unchecked {
    name: Cow<'static, str>,
    columns: Vec<Column>,
}

impl TryFrom<Unchecked> for Schema {
    type Error = Error;

    fn try_from(Unchecked { name, columns }: Unchecked) -> Result<Self> {
        Self::new(name, columns)
    }
}

impl Schema {
    /// A schema of the given columns.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where there is no column or two have one name.
    pub fn new(name: impl Into<Cow<'static, str>>, columns: Vec<Column>) -> Result<Self> {
        let name = name.into();
        if columns.is_empty() {
            return Err(Error::config(&format!("columns of schema {name}"), 0, "at least 1"));
        }
        for (i, column) in columns.iter().enumerate() {
            if columns[..i].iter().any(|earlier| earlier.name == column.name) {
                let message = format!("schema {name} names column {} twice, names must be unique", column.name);
                return Err(Error::new(ErrorKind::Config, message));
            }
        }
        Ok(Self { name, fingerprint: Fingerprint::of(&columns), columns })
    }

    /// The schema's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// A number that changes whenever a column's name, unit, transform or missing value, or the order of columns, does:
    /// 64-bit FNV-1a over these as text. Wording (what it means and catches) takes no part.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Checks that rows of schema `rows` fit a model of this schema.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] with both fingerprints and the first differing column.
    pub fn check(&self, rows: &Self) -> Result<()> {
        let width = self.width().max(rows.width());
        if self.width() == rows.width() && self.fingerprint == rows.fingerprint {
            return Ok(());
        }
        let differs = |i: &usize| match (self.columns.get(*i), rows.columns.get(*i)) {
            (Some(a), Some(b)) => {
                (&a.name, &a.unit, a.transform, a.missing) != (&b.name, &b.unit, b.transform, b.missing)
            }
            _ => true,
        };
        let Some(place) = (0..width).find(differs) else { return Ok(()) };
        let describe = |column: Option<&Column>| match column {
            Some(c) => format!("{} [{}]", c.name, c.unit),
            None => "nothing".to_owned(),
        };
        let message = format!(
            "the model wants schema {} ({}, {} columns), the rows have {} ({}, {} columns); first difference at column {place}: {} against {}",
            self.name,
            self.fingerprint(),
            self.width(),
            rows.name,
            rows.fingerprint(),
            rows.width(),
            describe(self.columns.get(place)),
            describe(rows.columns.get(place)),
        );
        Err(Error::new(ErrorKind::Schema, message))
    }
}

/// A schema's fingerprint; shows as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    fn of(columns: &[Column]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |text: &str| {
            for byte in text.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        for column in columns {
            eat(&column.name);
            eat(&column.unit);
            eat(&format!("{:?} {:?}", column.transform, column.missing));
        }
        Self(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(names: &[&'static str]) -> Schema {
        Schema::new("test", names.iter().map(|&n| Column::new(n, "s", "")).collect()).expect("valid")
    }

    #[test]
    fn transforms_invert() {
        let (divide, log) = (Transform::Divide { scale: 8.0 }, Transform::Log { scale: 7.5 });
        for transform in [Transform::Identity, divide, log, Transform::Gap, Transform::Variation] {
            for quantity in [0.0, 0.001, 1.0, 700.0] {
                let back = transform.invert(transform.apply(quantity));
                assert!((back - quantity).abs() <= 1e-6 + 1e-4 * quantity, "{transform:?} {quantity} {back}");
            }
        }
    }

    #[test]
    fn fingerprint_sees_names_order_and_transform_but_not_wording() {
        let a = schema(&["x", "y"]);
        assert_eq!(a.fingerprint(), schema(&["x", "y"]).fingerprint());
        assert_ne!(a.fingerprint(), schema(&["y", "x"]).fingerprint());
        let with = |change: fn(Column) -> Column| {
            let columns = vec![change(a.columns[0].clone()), a.columns[1].clone()];
            Schema::new("test", columns).unwrap().fingerprint()
        };
        assert_eq!(a.fingerprint(), with(|column| Column { meaning: "other words".into(), ..column }));
        assert_ne!(a.fingerprint(), with(|column| column.transform(Transform::Gap)));
        assert_ne!(a.fingerprint(), with(|column| column.missing(0.0)));
    }

    #[test]
    fn refusal_names_both_fingerprints_and_the_first_difference() {
        let (model, rows) = (schema(&["x", "y"]), schema(&["x", "z", "w"]));
        let error = model.check(&rows).expect_err("must refuse");
        assert_eq!(error.kind(), ErrorKind::Schema);
        let text = error.to_string();
        assert!(text.contains(&model.fingerprint().to_string()) && text.contains(&rows.fingerprint().to_string()));
        assert!(text.ends_with("first difference at column 1: y [s] against z [s]"), "{text}");
        assert!(model.check(&schema(&["x", "y"])).is_ok());
    }

    #[test]
    fn refuses_no_columns_and_double_names() {
        assert_eq!(
            Schema::new("s", vec![]).expect_err("empty").to_string(),
            "columns of schema s is 0, it must be at least 1"
        );
        let twice = vec![Column::new("x", "", ""), Column::new("x", "", "")];
        assert_eq!(
            Schema::new("s", twice).expect_err("twice").to_string(),
            "schema s names column x twice, names must be unique"
        );
    }
}
