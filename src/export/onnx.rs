//! ONNX: the network as a graph of `Gemm` and `Relu`, behind the normalisation of its inputs.
//!
//! Input `features` is `[samples, features]`, raw, as in the original data;
//! outputs are `scores` `[samples, classes]` and `class` `[samples]`, the first of the largest scores.
//!
//! The normalisation is computed in the order and the precision of [`Normalizer`], so that it gives the same bits
//! for the same input. Other programs feed float32; only where that would lose too much of a feature is the
//! input float64 ([`why_float64`]).

mod messages;

use super::Ticket;
use crate::dataset::{Normalizer, Precision, Schema};
use messages::{
    ATTRIBUTE_INT, AttributeProto, DOUBLE, Dimension, DimensionValue, FLOAT, GraphProto, INT64, ModelProto,
    NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};
use prost::Message;
use std::collections::HashMap;

const FORMAT_VERSION: i64 = 8;
const OPERATOR_SET: i64 = 13;

/// The masked network as the bytes of an ONNX file. Without a schema, which records of version 1 do not have, its
/// input is normalised already.
pub fn onnx(ticket: &Ticket, schema: Option<&Schema>, metadata: &HashMap<String, String>) -> Vec<u8> {
    let architecture = ticket.network.architecture();
    let mut graph = Operations::default();
    let input_type = if schema.and_then(why_float64).is_some() { DOUBLE } else { FLOAT };
    let mut value = match schema {
        Some(schema) => graph.normalize(&schema.normalizer, input_type),
        None => INPUT.to_owned(),
    };
    let layers = architecture.layers().len();
    for (index, layer) in architecture.layers().enumerate() {
        let (weight, bias) = (format!("{index}.weight"), format!("{index}.bias"));
        let shape = [layer.outputs, layer.inputs];
        let biases = ticket.network.layer_biases(&layer);
        graph.constant(&weight, &shape, FLOAT, ticket.masked_weights(&layer).into_iter().map(f64::from));
        graph.constant(&bias, &shape[..1], FLOAT, biases.iter().map(|&bias| f64::from(bias)));
        let is_last = index + 1 == layers;
        let sum = if is_last { "scores".to_owned() } else { format!("{index}.sum") };
        graph.push("Gemm", &[&value, &weight, &bias], &sum, &[("transB", 1)]);
        value = sum;
        if !is_last {
            let activation = format!("{index}.activation");
            graph.push("Relu", &[&value], &activation, &[]);
            value = activation;
        }
    }
    graph.push("ArgMax", &[&value], "class", &[("axis", 1), ("keepdims", 0)]);
    let graph = GraphProto {
        node: graph.nodes,
        name: metadata.get("run").cloned().unwrap_or_else(|| "ticket".to_owned()),
        initializer: graph.constants,
        input: vec![matrix(INPUT, input_type, &[architecture.inputs()])],
        output: vec![matrix("scores", FLOAT, &[architecture.outputs()]), matrix("class", INT64, &[])],
    };
    let mut metadata_props: Vec<StringStringEntryProto> = metadata
        .iter()
        .filter(|(key, _)| *key != "format")
        .map(|(key, value)| StringStringEntryProto { key: key.clone(), value: value.clone() })
        .collect();
    let mut input = match schema {
        Some(_) => "as in the original data: the graph normalises them".to_owned(),
        None => "normalised as metadata `dataset` says".to_owned(),
    };
    if let Some(why) = schema.and_then(why_float64) {
        input += &format!("; they are {why}");
    }
    metadata_props.push(StringStringEntryProto { key: INPUT.to_owned(), value: input.clone() });
    metadata_props.sort_by(|a, b| a.key.cmp(&b.key));
    let model = ModelProto {
        ir_version: FORMAT_VERSION,
        producer_name: "supermask".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: format!("A strong lottery ticket. `features` are {input}."),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATOR_SET }],
        metadata_props,
    };
    model.encode_to_vec()
}

const INPUT: &str = "features";

/// The bits of its own range that a feature must keep as a float32; of 24, a feature between 0 and 1 keeps all.
const BITS_KEPT: i32 = 16;

/// All whole numbers up to this one are float32s.
const LARGEST_WHOLE: f64 = 16_777_216.0;

/// Says that the input is float64 and because of which feature, where it is.
pub fn why_float64(schema: &Schema) -> Option<String> {
    let feature = wide_feature(&schema.normalizer)?;
    let name = match schema.feature_names.as_ref().and_then(|names| names.get(feature)) {
        Some(name) => format!("{name:?}"),
        None => format!("{}", feature + 1),
    };
    Some(format!(
        "float64, as float32 would keep too few digits of feature {name}, which varies little for its size"
    ))
}

/// The first feature that is so far from 0, for its range, that a float32 keeps fewer than [`BITS_KEPT`] bits of what
/// tells samples apart, such as a time in seconds since 1970; none where features are rounded to float32 anyway. A
/// feature between whole numbers that float32 has exactly is taken for a whole number.
fn wide_feature(normalizer: &Normalizer) -> Option<usize> {
    let is_wide = |low: f64, high: f64| {
        let size = low.abs().max(high.abs());
        let is_whole = size <= LARGEST_WHOLE && low.fract() == 0.0 && high.fract() == 0.0;
        low < high && high - low < size * 2f64.powi(BITS_KEPT - 23) && !is_whole
    };
    match normalizer {
        Normalizer::MinMax { min, max, precision: Precision::Double, .. } => {
            min.iter().zip(max).position(|(&min, &max)| is_wide(min, max))
        }
        // Nearly all numbers are within two deviations.
        Normalizer::Standard { mean, deviation, precision: Precision::Double } => mean
            .iter()
            .zip(deviation)
            .position(|(&mean, &deviation)| is_wide(mean - 2.0 * deviation, mean + 2.0 * deviation)),
        _ => None,
    }
}

/// A graph's operations and constants as they are put together.
#[derive(Default)]
struct Operations {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Operations {
    fn push(&mut self, op_type: &str, input: &[&str], output: &str, attributes: &[(&str, i64)]) {
        let attribute = |&(name, value): &(&str, i64)| AttributeProto {
            name: name.to_owned(),
            i: Some(value),
            r#type: ATTRIBUTE_INT,
        };
        self.nodes.push(NodeProto {
            input: input.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("{op_type} {output}"),
            op_type: op_type.to_owned(),
            attribute: attributes.iter().map(attribute).collect(),
        });
    }

    /// Numbers of a type, to which they are rounded.
    fn constant(
        &mut self,
        name: &str,
        shape: &[usize],
        data_type: i32,
        numbers: impl IntoIterator<Item = f64>,
    ) {
        let bytes = |number: f64| match data_type {
            FLOAT => (number as f32).to_le_bytes().to_vec(),
            _ => number.to_le_bytes().to_vec(),
        };
        self.constants.push(TensorProto {
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type,
            name: name.to_owned(),
            raw_data: numbers.into_iter().flat_map(bytes).collect(),
        });
    }

    /// Normalises the input, and returns the name of the float32 result.
    fn normalize(&mut self, normalizer: &Normalizer, input_type: i32) -> String {
        match normalizer {
            Normalizer::None {} => self.cast(INPUT.to_owned(), input_type, FLOAT),
            Normalizer::MinMax { range, min, max, precision: Precision::Single } => {
                self.min_max(INPUT.to_owned(), FLOAT, *range, [min, max])
            }
            Normalizer::MinMax { range, min, max, precision: Precision::Double } => {
                let value = self.cast(INPUT.to_owned(), input_type, DOUBLE);
                let value = self.min_max(value, DOUBLE, *range, [min, max]);
                self.cast(value, DOUBLE, FLOAT)
            }
            Normalizer::Standard { mean, deviation, .. } => {
                let value = self.cast(INPUT.to_owned(), input_type, DOUBLE);
                let value = self.standard(value, mean, deviation);
                self.cast(value, DOUBLE, FLOAT)
            }
        }
    }

    fn cast(&mut self, value: String, from: i32, to: i32) -> String {
        if from == to {
            return value;
        }
        let name = if to == DOUBLE { "features.double" } else { "features.normalized" };
        self.push("Cast", &[&value], name, &[("to", i64::from(to))]);
        name.to_owned()
    }

    /// One statistic, of all features or of each, applied to a value.
    fn apply(
        &mut self,
        op_type: &str,
        value: &str,
        data_type: i32,
        name: &str,
        statistic: Vec<f64>,
    ) -> String {
        let constant = format!("normalization.{name}");
        let shape = if statistic.len() == 1 { vec![] } else { vec![statistic.len()] };
        self.constant(&constant, &shape, data_type, statistic);
        let output = format!("features.{}", op_type.to_lowercase());
        self.push(op_type, &[value, &constant], &output, &[]);
        output
    }

    /// `(width * (x - min)) / span + low`. A constant feature is `0 * (x - 0) / 1 + middle`.
    fn min_max(
        &mut self,
        value: String,
        data_type: i32,
        [low, high]: [f64; 2],
        [min, max]: [&[f64]; 2],
    ) -> String {
        let column = |of_varying: &dyn Fn(f64, f64) -> f64, of_constant: f64| -> Vec<f64> {
            let number = |(&min, &max)| if min == max { of_constant } else { of_varying(min, max) };
            min.iter().zip(max).map(number).collect()
        };
        // The span is the difference of two numbers of the precision that it is computed in.
        let span = |min: f64, max: f64| match data_type {
            FLOAT => f64::from(max as f32 - min as f32),
            _ => max - min,
        };
        let value = self.apply("Sub", &value, data_type, "min", column(&|min, _| min, 0.0));
        let value = self.apply("Mul", &value, data_type, "width", column(&|_, _| high - low, 0.0));
        let value = self.apply("Div", &value, data_type, "span", column(&span, 1.0));
        self.apply("Add", &value, data_type, "low", column(&|_, _| low, 0.5 * (low + high)))
    }

    /// `(x - mean) / deviation`. A constant feature is `(x - 0) / 1 * 0`.
    fn standard(&mut self, value: String, mean: &[f64], deviation: &[f64]) -> String {
        let column = |of_varying: &[f64], of_constant: f64| -> Vec<f64> {
            let number = |(&number, &deviation)| if deviation == 0.0 { of_constant } else { number };
            of_varying.iter().zip(deviation).map(number).collect()
        };
        let value = self.apply("Sub", &value, DOUBLE, "mean", column(mean, 0.0));
        let value = self.apply("Div", &value, DOUBLE, "deviation", column(deviation, 1.0));
        if !deviation.contains(&0.0) {
            return value;
        }
        let varies = column(&vec![1.0; deviation.len()], 0.0);
        self.apply("Mul", &value, DOUBLE, "varies", varies)
    }
}

/// A value of shape `[samples, …sizes]`.
fn matrix(name: &str, elem_type: i32, sizes: &[usize]) -> ValueInfoProto {
    let samples = DimensionValue::Name("samples".to_owned());
    let sizes = sizes.iter().map(|&size| DimensionValue::Size(size as i64));
    let dim = std::iter::once(samples).chain(sizes).map(|value| Dimension { value: Some(value) });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

#[cfg(test)]
mod tests;
