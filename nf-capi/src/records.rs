//! Door C: the host's own flow records.

use crate::{argument::owned, boundary::Failure, detector::nf_detector, sessions::beyond, status::nf_status};
use nf_core::detector::Records;
use std::ffi::c_char;

/// A column that flow records may have. Its texts are the detector's.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_column {
    /// `sizeof(nf_column)`; `NF_COLUMN_INIT` sets it.
    pub struct_size: usize,
    /// Its name.
    pub name: *const c_char,
    /// The unit of its values, such as "bytes" or "s"; "" for a plain number.
    pub unit: *const c_char,
    /// What it means, and what is written where there is none, in one sentence.
    pub meaning: *const c_char,
}
sized!(nf_column, 32);

/// Flow records: rows of quantities in named columns, in the units of `nf_detector_column`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_table {
    /// `sizeof(nf_table)`; `NF_TABLE_INIT` sets it.
    pub struct_size: usize,
    /// The names of the columns, in UTF-8, each once; those that no head reads are left out. The program's.
    pub names: *const *const c_char,
    /// How many columns there are.
    pub columns: usize,
    /// The quantities, row by row, `columns` a row; NaN where there is none. The program's.
    pub values: *const f64,
    /// How many rows there are.
    pub rows: usize,
}
sized!(nf_table, 40);

/// What a detector says of a flow record.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nf_row_verdict {
    /// The share of benign sessions at least as strange, above 0 and at most 1.
    pub p_value: f64,
    /// How strange it is by itself; higher is stranger.
    pub score: f32,
    /// Whether it is above the cut of sessions judged by themselves: 0 or 1.
    pub anomaly: i32,
}

/// Gives a column that the detector's heads read.
///
/// `index`: from 0. Ownership: its texts are the detector's. Errors: `NF_ERR_ARGUMENT` where there are not so many: ask until then.
/// Threads: may be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_column(
    detector: *const nf_detector,
    index: usize,
    column: *mut nf_column,
) -> nf_status {
    boundary!({
        let place = place!(column)?;
        let loaded = shared!(detector)?;
        let texts = |column: &nf_core::Column| [&column.name, &column.unit, &column.meaning].map(|text| owned(&**text));
        let columns = loaded.columns.get_or_init(|| loaded.detector.record_columns().into_iter().map(texts).collect());
        let [name, unit, meaning] = columns.get(index).ok_or_else(|| beyond(index, columns.len(), "columns"))?;
        place.set(nf_column {
            struct_size: size_of::<nf_column>(),
            name: name.as_ptr(),
            unit: unit.as_ptr(),
            meaning: meaning.as_ptr(),
        });
        Ok(nf_status::NF_OK)
    })
}

/// Judges flow records, each by itself, without packets.
///
/// `verdicts`: room for `count` of them, the caller's; `count` must be `table->rows`. Errors: `NF_ERR_SCHEMA` that names the head,
/// where one reads packets or a column that the table has not; `NF_ERR_CONFIG` where two columns have one name; `NF_ERR_DATA` where a value
/// is infinite, or is NaN in a column that knows no absence (row and column are said); nothing is written then. Threads: may
/// be shared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_detector_score_rows(
    detector: *const nf_detector,
    table: *const nf_table,
    verdicts: *mut nf_row_verdict,
    count: usize,
) -> nf_status {
    boundary!({
        let loaded = shared!(detector)?;
        let table = given!(table, "table")?;
        let room = room!(verdicts, count)?;
        if room.count() != table.rows {
            return Err(Failure::argument(format!("count is {count}, it must be that of the rows, {}", table.rows)));
        }
        let names = array!(table.names, table.columns, "names")?;
        let names = names.iter().enumerate().map(|(i, name)| text!(*name, &format!("name {i}")));
        let names = names.collect::<Result<Vec<&str>, Failure>>()?;
        let cells = table.rows.checked_mul(table.columns);
        let cells =
            cells.ok_or_else(|| Failure::argument(format!("rows is {}, more than memory holds", table.rows)))?;
        let values = array!(table.values, cells, "values")?;
        let judged = loaded.detector.judge_records(Records { names: &names, values })?;
        let told = judged.iter().map(|row| nf_row_verdict {
            p_value: row.p_value,
            score: row.score,
            anomaly: i32::from(row.anomaly),
        });
        room.fill(&told.collect::<Vec<_>>());
        Ok(nf_status::NF_OK)
    })
}
