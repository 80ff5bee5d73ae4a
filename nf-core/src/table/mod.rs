//! Sessions, packets, rows, verdicts and incidents as named columns of one type each, for files, data frames and databases.
//!
//! ```
//! use nf_core::{Sessions, table::{Table, Values}};
//! # let sessions = Sessions::default();
//! let table = Table::of_sessions(&sessions, 0);
//! assert!(matches!(table.column("duration"), Some(Values::Quantity(_))));
//! ```

mod incidents;
mod packets;
mod sessions;
#[cfg(test)]
mod tests;
mod verdicts;

pub use packets::PacketTable;

/// Columns of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Table {
    /// The columns, no two of one name.
    pub columns: Vec<Column>,
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Values,
}

/// Values of one type; `None` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers of things, numbers that name things.
    Count(Vec<Option<u64>>),
    /// Quantities in plain units.
    Quantity(Vec<Option<f64>>),
    /// Numbers as models read them, and their scores.
    Stored(Vec<f32>),
    /// Moments, in nanoseconds since the Unix epoch.
    Time(Vec<i64>),
    /// Names.
    Text(Vec<Option<String>>),
    /// Yes or no.
    Flag(Vec<bool>),
}

impl Table {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of a column.
    pub fn column(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.values)
    }

    fn add(&mut self, name: impl Into<String>, values: Values) {
        self.columns.push(Column { name: name.into(), values });
    }
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Count(values) => values.len(),
            Self::Quantity(values) => values.len(),
            Self::Stored(values) => values.len(),
            Self::Time(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Flag(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
