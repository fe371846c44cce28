//! ONNX: the network as a graph of `Gemm` and `Relu`.
//!
//! The messages are those parts of ONNX's `onnx.proto` (format version 8, operators of set 13) that such a
//! graph needs, with their field numbers. Input `features` is `[samples, features]`, normalised as the
//! record's data were; outputs are `scores` `[samples, classes]` and `class` `[samples]`, the first of the
//! largest scores.

use super::Ticket;
use prost::Message;
use std::collections::HashMap;

const FORMAT_VERSION: i64 = 8;
const OPERATOR_SET: i64 = 13;

/// `TensorProto.DataType`
const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// `AttributeProto.AttributeType.INT`
const ATTRIBUTE_INT: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(string, tag = "6")]
    doc_string: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<StringStringEntryProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(int32, tag = "20")]
    r#type: i32,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(oneof = "DimensionValue", tags = "1, 2")]
    value: Option<DimensionValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum DimensionValue {
    #[prost(int64, tag = "1")]
    Size(i64),
    #[prost(string, tag = "2")]
    Name(String),
}

/// The masked network as the bytes of an ONNX file.
pub fn onnx(ticket: &Ticket, metadata: &HashMap<String, String>) -> Vec<u8> {
    let architecture = &ticket.network.architecture;
    let mut node = Vec::new();
    let mut initializer = Vec::new();
    let mut value = "features".to_owned();
    let layers = architecture.layers().len();
    for (index, layer) in architecture.layers().enumerate() {
        let (weight, bias) = (format!("{index}.weight"), format!("{index}.bias"));
        initializer.push(tensor(&weight, &[layer.outputs, layer.inputs], &ticket.masked_weights(&layer)));
        initializer.push(tensor(&bias, &[layer.outputs], ticket.network.layer_biases(&layer)));
        let is_last = index + 1 == layers;
        let sum = if is_last { "scores".to_owned() } else { format!("{index}.sum") };
        node.push(operation("Gemm", &[&value, &weight, &bias], &sum, &[("transB", 1)]));
        value = sum;
        if !is_last {
            let activation = format!("{index}.activation");
            node.push(operation("Relu", &[&value], &activation, &[]));
            value = activation;
        }
    }
    node.push(operation("ArgMax", &[&value], "class", &[("axis", 1), ("keepdims", 0)]));
    let graph = GraphProto {
        node,
        name: metadata.get("run").cloned().unwrap_or_else(|| "ticket".to_owned()),
        initializer,
        input: vec![matrix("features", FLOAT, &[architecture.inputs()])],
        output: vec![matrix("scores", FLOAT, &[architecture.outputs()]), matrix("class", INT64, &[])],
    };
    let mut metadata_props: Vec<StringStringEntryProto> = metadata
        .iter()
        .filter(|(key, _)| *key != "format")
        .map(|(key, value)| StringStringEntryProto { key: key.clone(), value: value.clone() })
        .collect();
    metadata_props.sort_by(|a, b| a.key.cmp(&b.key));
    let model = ModelProto {
        ir_version: FORMAT_VERSION,
        producer_name: "supermask".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: "A strong lottery ticket. `features` are normalised as metadata `dataset` says."
            .to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATOR_SET }],
        metadata_props,
    };
    model.encode_to_vec()
}

fn operation(op_type: &str, input: &[&str], output: &str, attributes: &[(&str, i64)]) -> NodeProto {
    let attribute = |&(name, value): &(&str, i64)| AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        r#type: ATTRIBUTE_INT,
    };
    NodeProto {
        input: input.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        name: format!("{op_type} {output}"),
        op_type: op_type.to_owned(),
        attribute: attributes.iter().map(attribute).collect(),
    }
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> TensorProto {
    TensorProto {
        dims: shape.iter().map(|&size| size as i64).collect(),
        data_type: FLOAT,
        name: name.to_owned(),
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
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
mod tests {
    use super::*;
    use crate::network::NetworkConfig;

    #[test]
    fn a_graph_has_a_gemm_per_layer_with_masked_weights_in_little_endian() {
        let config: NetworkConfig = serde_json::from_str(r#"{"layers": [2, 3, 2]}"#).expect("valid");
        let network = config.build(3).expect("a network");
        let bytes = onnx(&Ticket { network: network.clone(), mask: vec![0b10] }, &HashMap::new());
        // Field 1, varint: the format's version.
        assert_eq!(&bytes[..2], [0x08, FORMAT_VERSION as u8]);
        let model = ModelProto::decode(bytes.as_slice()).expect("decodes");
        let graph = model.graph.expect("a graph");
        let operations: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(operations, ["Gemm", "Relu", "Gemm", "ArgMax"]);
        assert_eq!(graph.initializer[0].dims, [3, 2]);
        let mut expected = vec![0u8; 24];
        expected[4..8].copy_from_slice(&network.weights[1].to_le_bytes());
        assert_eq!(graph.initializer[0].raw_data, expected);
        assert_eq!(graph.initializer[3].raw_data, bytemuck::cast_slice::<f32, u8>(&network.biases[3..]));
        assert_eq!(graph.node[0].attribute[0].i, Some(1));
    }
}
