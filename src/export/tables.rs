//! A ticket as NumPy arrays and as comma-separated values.

use super::Ticket;
use crate::mask;
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::CompressionMethod;
use npyz::zip::write::FileOptions;
use std::io::{self, Cursor, Write};

/// The bytes of an `.npz` file: for each layer `0.weight` (float32, `[outputs, inputs]`, zero where
/// pruned), `0.bias` and `0.weight_mask` (boolean), numbered 0, 2, 4, … as in a PyTorch `nn.Sequential`.
///
/// # Errors
/// If a layer does not fit into a zip file.
pub fn npz(ticket: &Ticket) -> io::Result<Vec<u8>> {
    let mut npz = NpzWriter::new(Cursor::new(Vec::new()));
    for (index, layer) in ticket.network.architecture.layers().enumerate() {
        let module = 2 * index;
        let shape = [layer.outputs as u64, layer.inputs as u64];
        write(&mut npz, &format!("{module}.weight"), &shape, ticket.masked_weights(&layer))?;
        let biases = ticket.network.layer_biases(&layer).to_vec();
        write(&mut npz, &format!("{module}.bias"), &shape[..1], biases)?;
        let kept = (0..layer.weights()).map(|index| mask::get(&ticket.mask, layer.first_weight + index));
        write(&mut npz, &format!("{module}.weight_mask"), &shape, kept)?;
    }
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
    let options = FileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let mut writer = npz.array(name, options)?.default_dtype().shape(shape).begin_nd()?;
    writer.extend(values)?;
    writer.finish()
}

/// A line for each weight that is kept and for each bias: `layer,kind,output,input,value`, layers, outputs
/// and inputs counted from 0. Values read back as the same 32-bit floats.
pub fn csv(ticket: &Ticket) -> String {
    let mut text = "layer,kind,output,input,value\n".to_owned();
    for (index, layer) in ticket.network.architecture.layers().enumerate() {
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
