//! Tables to files.

use super::{Kind, Out};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use nf_core::{
    Timestamp,
    table::{Column, Table, Values},
};
use parquet::{arrow::ArrowWriter, basic::Compression, errors::ParquetError, file::properties::WriterProperties};
use std::{
    fmt::{Display, Write},
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Rows that a Parquet file keeps together, and its writer in memory.
const ROW_GROUP: usize = 65_536;

/// Where tables go, block by block.
pub(super) enum Sink {
    None,
    Csv(PathBuf, Box<csv::Writer<File>>),
    Arrow(PathBuf, SchemaRef, Box<FileWriter<BufWriter<File>>>),
    Parquet(PathBuf, SchemaRef, Box<ArrowWriter<File>>),
}

impl Sink {
    /// Makes the file, before the work: a place that cannot be written to costs none.
    pub(super) fn create(out: &Out, kind: Kind) -> Result<Self, String> {
        let table = kind.empty_table()?;
        Ok(match out {
            Out::None => Self::None,
            Out::Csv(path) => {
                let mut writer = csv::Writer::from_writer(create(path)?);
                let names = table.columns.iter().map(|column| &column.name);
                writer.write_record(names).map_err(at(path))?;
                Self::Csv(path.clone(), Box::new(writer))
            }
            Out::Arrow(path) => {
                let (schema, file) = (schema(&table), BufWriter::new(create(path)?));
                let writer = FileWriter::try_new(file, &schema).map_err(at(path))?;
                Self::Arrow(path.clone(), schema, Box::new(writer))
            }
            Out::Parquet(path) => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_max_row_group_row_count(Some(ROW_GROUP));
                let (schema, file) = (schema(&table), create(path)?);
                let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties.build())).map_err(at(path))?;
                Self::Parquet(path.clone(), schema, Box::new(writer))
            }
        })
    }

    /// Adds the rows of a table; all must have the columns of the kind that the sink was made for.
    pub(super) fn write(&mut self, table: Table) -> Result<(), String> {
        match self {
            Self::None => Ok(()),
            Self::Csv(path, writer) => write_csv(writer, &table).map_err(at(path)),
            Self::Arrow(path, schema, writer) => {
                batch(schema, table).and_then(|batch| writer.write(&batch)).map_err(at(path))
            }
            Self::Parquet(path, schema, writer) => {
                let batch = batch(schema, table).map_err(ParquetError::from);
                batch.and_then(|batch| writer.write(&batch)).map_err(at(path))
            }
        }
    }

    /// Writes what is left; without it the file is none.
    pub(super) fn finish(self) -> Result<(), String> {
        match self {
            Self::None => Ok(()),
            Self::Csv(path, mut writer) => writer.flush().map_err(at(&path)),
            Self::Arrow(path, _, mut writer) => writer.finish().map_err(at(&path)),
            Self::Parquet(path, _, writer) => writer.close().map(drop).map_err(at(&path)),
        }
    }
}

fn create(path: &Path) -> Result<File, String> {
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Err(format!("{} is a directory, --out must name a file", path.display()));
    }
    File::create(path).map_err(at(path))
}

/// Puts the place before an error.
fn at<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: {error}", path.display())
}

fn schema(table: &Table) -> SchemaRef {
    let field = |Column { name, values, .. }: &Column| match values {
        Values::Count(_) => Field::new(name, DataType::UInt64, true),
        Values::Quantity(_) => Field::new(name, DataType::Float64, true),
        Values::Stored(_) => Field::new(name, DataType::Float32, false),
        Values::Time(_) => Field::new(name, DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
        Values::Text(_) => Field::new(name, DataType::Utf8, true),
        Values::Flag(_) => Field::new(name, DataType::Boolean, false),
    };
    Arc::new(Schema::new(table.columns.iter().map(field).collect::<Vec<_>>()))
}

fn batch(schema: &SchemaRef, table: Table) -> Result<RecordBatch, ArrowError> {
    let array = |column: Column| -> ArrayRef {
        match column.values {
            Values::Count(values) => Arc::new(UInt64Array::from(values)),
            Values::Quantity(values) => Arc::new(Float64Array::from(values)),
            Values::Stored(values) => Arc::new(Float32Array::from(values)),
            Values::Time(values) => Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC")),
            Values::Text(values) => Arc::new(StringArray::from(values)),
            Values::Flag(values) => Arc::new(BooleanArray::from(values)),
        }
    };
    RecordBatch::try_new(schema.clone(), table.columns.into_iter().map(array).collect())
}

/// Numbers as Rust shows them, which read back to the same; times in seconds; an empty field where there is no value.
fn write_csv(writer: &mut csv::Writer<File>, table: &Table) -> csv::Result<()> {
    let mut text = String::new();
    for row in 0..table.len() {
        for column in &table.columns {
            text.clear();
            // Writing to a string does not fail.
            let _ = match &column.values {
                Values::Count(values) => values[row].map_or(Ok(()), |value| write!(text, "{value}")),
                Values::Quantity(values) => values[row].map_or(Ok(()), |value| write!(text, "{value}")),
                Values::Stored(values) => write!(text, "{}", values[row]),
                Values::Time(values) => write!(text, "{}", Timestamp::from_nanos(values[row])),
                Values::Text(values) => values[row].as_deref().map_or(Ok(()), |value| text.write_str(value)),
                Values::Flag(values) => write!(text, "{}", values[row]),
            };
            writer.write_field(&text)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    Ok(())
}
