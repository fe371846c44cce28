//! A ticket as NumPy arrays and as comma-separated values.

use super::Ticket;
use crate::dataset::{Normalizer, Schema};
use crate::mask;
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, DateTime};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor, Write};

/// The bytes of an `.npz` file: for each layer `0.weight` (float32, `[outputs, inputs]`, zero where
/// pruned), `0.bias` and `0.weight_mask` (boolean), numbered 0, 2, 4, … as in a PyTorch `nn.Sequential`; of the
/// schema, where there is one, `class_names` and `feature_names` (text), and the statistics of the normalisation
/// (float64, one for all features or one each: `normalization.min`, …); `metadata`, a JSON object as text.
///
/// # Errors
/// If a layer does not fit into a zip file.
pub fn npz(
    ticket: &Ticket,
    schema: Option<&Schema>,
    metadata: &HashMap<String, String>,
) -> io::Result<Vec<u8>> {
    let mut npz = NpzWriter::new(Cursor::new(Vec::new()));
    for (index, layer) in ticket.network.architecture().layers().enumerate() {
        let module = 2 * index;
        let shape = [layer.outputs as u64, layer.inputs as u64];
        write(&mut npz, &format!("{module}.weight"), &shape, ticket.masked_weights(&layer))?;
        let biases = ticket.network.layer_biases(&layer).to_vec();
        write(&mut npz, &format!("{module}.bias"), &shape[..1], biases)?;
        let kept = (0..layer.weights()).map(|index| mask::get(&ticket.mask, layer.first_weight + index));
        write(&mut npz, &format!("{module}.weight_mask"), &shape, kept)?;
    }
    if let Some(Schema { class_names, feature_names, normalizer }) = schema {
        write_texts(&mut npz, "class_names", &[class_names.len()], class_names)?;
        if let Some(names) = feature_names {
            write_texts(&mut npz, "feature_names", &[names.len()], names)?;
        }
        for (name, numbers) in statistics(normalizer) {
            let shape = [numbers.len() as u64];
            write(&mut npz, &format!("normalization.{name}"), &shape, numbers.iter().copied())?;
        }
    }
    let sorted: BTreeMap<_, _> = metadata.iter().filter(|(key, _)| *key != "format").collect();
    let text = serde_json::to_string(&sorted)?;
    write_texts(&mut npz, "metadata", &[], &[text])?;
    let zip = npz.zip_writer();
    zip.flush()?;
    Ok(zip.finish()?.into_inner())
}

fn write<T: npyz::Serialize + npyz::AutoSerialize>(
    npz: &mut NpzWriter<Cursor<Vec<u8>>>,
    name: &str,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let mut writer = npz.array(name, options())?.default_dtype().shape(shape).begin_nd()?;
    writer.extend(values)?;
    writer.finish()
}

/// The numbers of a normalisation by name.
fn statistics(normalizer: &Normalizer) -> Vec<(&'static str, &[f64])> {
    match normalizer {
        Normalizer::None {} => Vec::new(),
        Normalizer::MinMax { range, min, max, .. } => vec![("range", range), ("min", min), ("max", max)],
        Normalizer::Standard { mean, deviation, .. } => vec![("mean", mean), ("deviation", deviation)],
    }
}

/// Texts as NumPy has them: UTF-32 of one length, filled up with zeros. npyz writes no such arrays.
fn write_texts(
    npz: &mut NpzWriter<Cursor<Vec<u8>>>,
    name: &str,
    shape: &[usize],
    texts: &[String],
) -> io::Result<()> {
    let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    let shape: String = shape.iter().map(|size| format!("{size},")).collect();
    let header = format!("{{'descr': '<U{longest}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Magic, version and length are ten bytes; the header ends with a line, at a multiple of 64.
    let padded = (NPY_START.len() + 2 + header.len() + 1).next_multiple_of(64) - NPY_START.len() - 2;
    let mut bytes = NPY_START.to_vec();
    bytes.extend((padded as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = padded - 1).bytes());
    for text in texts {
        let letters = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest);
        bytes.extend(letters.flat_map(u32::to_le_bytes));
    }
    let zip = npz.zip_writer();
    zip.start_file(format!("{name}.npy"), options())?;
    zip.write_all(&bytes)
}

/// As `numpy.savez` stores arrays: uncompressed, and of no time, so that a ticket always gives the same bytes.
fn options() -> FileOptions {
    FileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true)
        .last_modified_time(DateTime::default())
}

/// How files of NumPy arrays of version 1.0 begin.
const NPY_START: &[u8] = b"\x93NUMPY\x01\x00";

/// A line for each weight that is kept and for each bias: `layer,kind,output,input,value`, layers, outputs
/// and inputs counted from 0. Values read back as the same 32-bit floats.
pub fn csv(ticket: &Ticket) -> String {
    let mut text = "layer,kind,output,input,value\n".to_owned();
    for (index, layer) in ticket.network.architecture().layers().enumerate() {
        let weights = ticket.network.layer_weights(&layer);
        for (output, bias) in ticket.network.layer_biases(&layer).iter().enumerate() {
            text += &format!("{index},bias,{output},,{bias}\n");
            for input in 0..layer.inputs {
                let weight = output * layer.inputs + input;
                if mask::get(&ticket.mask, layer.first_weight + weight) {
                    text += &format!("{index},weight,{output},{input},{}\n", weights[weight]);
                }
            }
        }
    }
    text
}
