//! Generated columns and files, from fixed seeds.

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the values of a column are like.
#[derive(Clone, Copy)]
pub enum Values {
    Normal,
    Lognormal,
    Exponential,
    Bimodal,
    /// Rounded, so that few values come often.
    Ties,
    /// Normal, and such a share of NaN.
    Nan(f64),
    Float,
    /// So many different integers, the lower ones more often.
    Int(u32),
    Int32(u32),
    Bool,
    /// So many different strings, by Zipf's law with exponent 1.
    Text(u32),
}

/// One column.
#[derive(Clone, Copy)]
pub struct Column {
    pub values: Values,
    pub nulls: f64,
}

/// How a file is written.
#[derive(Clone, Copy)]
pub struct Layout {
    pub rows: usize,
    pub row_group_rows: usize,
    pub compression: Compression,
    pub dictionary: bool,
}

pub fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

pub fn write(folder: &Path, columns: &[Column], layout: Layout) -> PathBuf {
    let arrays = columns.iter().enumerate().map(|(seed, column)| {
        let array = array(*column, layout.rows, seed as u64);
        (Field::new(format!("column_{seed:03}"), array.data_type().clone(), true), array)
    });
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = arrays.unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).expect("equal lengths");
    let path = folder.join("generated.parquet");
    let properties = WriterProperties::builder()
        .set_compression(layout.compression)
        .set_dictionary_enabled(layout.dictionary)
        .set_max_row_group_row_count(Some(layout.row_group_rows))
        .build();
    let file = File::create(&path).expect("a writable folder");
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).expect("a schema");
    writer.write(&batch).expect("room on the disk");
    writer.close().expect("room on the disk");
    path
}

fn array(column: Column, rows: usize, seed: u64) -> ArrayRef {
    let mut random = StdRng::seed_from_u64(seed);
    let nulls: Vec<bool> = (0..rows).map(|_| random.random::<f64>() < column.nulls).collect();
    let mut uniform = || random.random::<f64>();
    let valid = |row: usize| !nulls[row];
    // Log-uniform: the density falls as 1/n, as in Zipf's law.
    let rank = |n: u32, u: f64| f64::from(n).powf(u) as u32 - 1;
    match column.values {
        Values::Float => {
            let values = (0..rows).map(|row| {
                let value = normal(&mut uniform) as f32;
                valid(row).then_some(value)
            });
            Arc::new(values.collect::<Float32Array>())
        }
        Values::Int(n) => {
            let values = (0..rows).map(|row| {
                let value = i64::from(rank(n, uniform()));
                valid(row).then_some(value)
            });
            Arc::new(values.collect::<Int64Array>())
        }
        Values::Int32(n) => {
            let values = (0..rows).map(|row| {
                let value = rank(n, uniform()) as i32;
                valid(row).then_some(value)
            });
            Arc::new(values.collect::<Int32Array>())
        }
        Values::Bool => {
            let values = (0..rows).map(|row| {
                let value = uniform() < 0.3;
                valid(row).then_some(value)
            });
            Arc::new(values.collect::<BooleanArray>())
        }
        Values::Text(n) => {
            let values = (0..rows).map(|row| {
                let value = format!("category_{}", rank(n, uniform()));
                valid(row).then_some(value)
            });
            Arc::new(values.collect::<StringArray>())
        }
        shape => {
            let values = (0..rows).map(|row| {
                let value = double(shape, &mut uniform);
                valid(row).then_some(value)
            });
            Arc::new(values.collect::<Float64Array>())
        }
    }
}

fn double(shape: Values, uniform: &mut impl FnMut() -> f64) -> f64 {
    match shape {
        Values::Lognormal => normal(uniform).exp(),
        Values::Exponential => -(1.0 - uniform()).ln(),
        Values::Bimodal => normal(uniform) + if uniform() < 0.3 { 6.0 } else { 0.0 },
        Values::Ties => (normal(uniform) * 3.0).round(),
        Values::Nan(share) if uniform() < share => f64::NAN,
        _ => normal(uniform),
    }
}

/// G. E. P. Box and M. E. Muller (1958).
fn normal(uniform: &mut impl FnMut() -> f64) -> f64 {
    (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
}
