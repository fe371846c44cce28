use super::*;
use crate::evaluate::Arithmetic;
use crate::evaluate::plain;
use crate::network::NetworkInit;

fn ticket(layers: &str) -> Ticket {
    let config: NetworkInit = serde_json::from_str(&format!(r#"{{"layers": {layers}}}"#)).expect("valid");
    let network = config.build(3).expect("a network");
    // Every third weight is pruned.
    let mask = (0..network.architecture().mask_words()).map(|word| 0x6DB6_DB6D_u32.rotate_left(word as u32));
    let unused = 32 * network.architecture().mask_words() - network.architecture().weights();
    let mut mask: Vec<u32> = mask.collect();
    *mask.last_mut().expect("a word") &= u32::MAX >> unused;
    Ticket { network, mask }
}

fn graph(bytes: &[u8]) -> GraphProto {
    ModelProto::decode(bytes).expect("decodes").graph.expect("a graph")
}

#[test]
fn a_graph_has_a_gemm_per_layer_with_masked_weights_in_little_endian() {
    let network = ticket("[2, 3, 2]").network;
    let bytes = onnx(&Ticket { network: network.clone(), mask: vec![0b10] }, None, &HashMap::new());
    // Field 1, varint: the format's version.
    assert_eq!(&bytes[..2], [0x08, FORMAT_VERSION as u8]);
    let graph = graph(&bytes);
    let operations: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
    assert_eq!(operations, ["Gemm", "Relu", "Gemm", "ArgMax"]);
    assert_eq!(graph.initializer[0].dims, [3, 2]);
    let mut expected = vec![0u8; 24];
    expected[4..8].copy_from_slice(&network.weights()[1].to_le_bytes());
    assert_eq!(graph.initializer[0].raw_data, expected);
    assert_eq!(graph.initializer[3].raw_data, bytemuck::cast_slice::<f32, u8>(&network.biases()[3..]));
    assert_eq!(graph.node[0].attribute[0].i, Some(1));
}

/// A tensor of one type; float32s are held as the f64s that they are.
#[derive(Clone)]
struct TypedNumbers {
    data_type: i32,
    numbers: Vec<f64>,
}

impl TypedNumbers {
    fn of(tensor: &TensorProto) -> Self {
        let numbers = match tensor.data_type {
            FLOAT => tensor
                .raw_data
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4"))))
                .collect(),
            DOUBLE => tensor
                .raw_data
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().expect("8")))
                .collect(),
            other => panic!("type {other}"),
        };
        Self { data_type: tensor.data_type, numbers }
    }

    /// An operation of two numbers in the precision of the type; the other's numbers are one, or one a column.
    fn with(&self, other: &Self, single: fn(f32, f32) -> f32, double: fn(f64, f64) -> f64) -> Self {
        assert_eq!(self.data_type, other.data_type, "types are never mixed");
        let numbers = self.numbers.iter().zip(other.numbers.iter().cycle());
        let numbers = numbers.map(|(&a, &b)| match self.data_type {
            FLOAT => f64::from(single(a as f32, b as f32)),
            _ => double(a, b),
        });
        Self { data_type: self.data_type, numbers: numbers.collect() }
    }
}

/// Computes a graph for one sample as ONNX defines its operations; sums go from the bias through the inputs in
/// ascending order. Returns the network's inputs and the class.
fn interpret(graph: &GraphProto, sample: &[f64]) -> (Vec<f32>, u32) {
    let mut values: HashMap<&str, TypedNumbers> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), TypedNumbers::of(tensor))).collect();
    let input = graph.input[0].r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).expect("a tensor");
    let exact = |x: &f64| if input.elem_type == FLOAT { f64::from(*x as f32) } else { *x };
    let numbers = sample.iter().map(exact).collect();
    values.insert(INPUT, TypedNumbers { data_type: input.elem_type, numbers });
    let mut network_inputs = None;
    for node in &graph.node {
        let input = |n: usize| &values[node.input[n].as_str()];
        let value = match node.op_type.as_str() {
            "Sub" => input(0).with(input(1), |a, b| a - b, |a, b| a - b),
            "Mul" => input(0).with(input(1), |a, b| a * b, |a, b| a * b),
            "Div" => input(0).with(input(1), |a, b| a / b, |a, b| a / b),
            "Add" => input(0).with(input(1), |a, b| a + b, |a, b| a + b),
            "Cast" if node.attribute[0].i == Some(i64::from(DOUBLE)) => {
                TypedNumbers { data_type: DOUBLE, numbers: input(0).numbers.clone() }
            }
            "Cast" => {
                let numbers = input(0).numbers.iter().map(|&x| f64::from(x as f32)).collect();
                TypedNumbers { data_type: FLOAT, numbers }
            }
            "Gemm" => {
                let (x, weights, biases) = (input(0), input(1), input(2));
                assert_eq!([x, weights, biases].map(|value| value.data_type), [FLOAT; 3]);
                network_inputs.get_or_insert_with(|| x.numbers.iter().map(|&x| x as f32).collect());
                let rows = weights.numbers.chunks_exact(x.numbers.len()).zip(&biases.numbers);
                let sum = |(row, &bias): (&[f64], &f64)| {
                    row.iter().zip(&x.numbers).fold(bias as f32, |acc, (&w, &x)| acc + w as f32 * x as f32)
                };
                TypedNumbers { data_type: FLOAT, numbers: rows.map(sum).map(f64::from).collect() }
            }
            "Relu" => TypedNumbers {
                data_type: FLOAT,
                numbers: input(0).numbers.iter().map(|x| x.max(0.0)).collect(),
            },
            "ArgMax" => {
                let scores = &input(0).numbers;
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let class = scores.iter().position(|&score| score == largest).expect("a largest");
                return (network_inputs.expect("a first layer"), class as u32);
            }
            other => panic!("operation {other}"),
        };
        values.insert(node.output[0].as_str(), value);
    }
    panic!("no class")
}

/// Normalisers of three features: of the whole matrix, of each feature, with a feature that was constant, of
/// both precisions, near 0 and far from it.
fn normalizers() -> Vec<Normalizer> {
    let mut all = vec![Normalizer::None {}];
    for precision in [Precision::Single, Precision::Double] {
        for (min, max) in [
            (vec![-2.5], vec![7.25]),
            (vec![0.1, -3.0, 12.7], vec![0.9, 4.5, 13.1]),
            (vec![0.0, 5.0, -1.0], vec![1.0, 5.0, 1.0]),
            (vec![1.7e9, 0.3, 0.0], vec![1.7e9 + 86_400.5, 0.3, 1.0]),
        ] {
            all.push(Normalizer::MinMax { range: [-0.7, 0.7], min, max, precision });
        }
        for (mean, deviation) in [
            (vec![1.3], vec![0.7]),
            (vec![0.1, -3.0, 12.7], vec![0.9, 0.0, 13.1]),
            (vec![1.7e9, 0.3, 0.0], vec![30_000.25, 0.5, 1.0]),
        ] {
            all.push(Normalizer::Standard { mean, deviation, precision });
        }
    }
    all
}

fn schema(normalizer: Normalizer) -> Schema {
    Schema { normalizer, ..Schema::numbered(4) }
}

#[test]
fn raw_features_become_the_same_inputs_bit_for_bit_and_the_same_class() {
    let ticket = ticket("[3, 9, 5, 4]");
    let mut classes = [0; 4];
    for normalizer in normalizers() {
        let schema = schema(normalizer);
        let wide = wide_feature(&schema.normalizer).is_some();
        let graph = graph(&onnx(&ticket, Some(&schema), &HashMap::new()));
        for n in 0..60 {
            let around = |low: f64, size: f64| low + size * f64::from((n * 37 + 11) % 60) / 59.0;
            let sample = match &schema.normalizer {
                Normalizer::MinMax { min, .. } if min[0] > 1e6 => {
                    [1.7e9 + 1440.0 * f64::from(n), 0.3, around(0.0, 1.0)]
                }
                Normalizer::Standard { mean, .. } if mean[0] > 1e6 => {
                    [1.7e9 + 1440.0 * f64::from(n), 0.3, around(0.0, 1.0)]
                }
                _ => [around(-2.0, 5.0), around(6.0, -4.0), f64::from(n % 7)],
            };
            // What a consumer can feed: only wide features need more than a float32.
            let sample = if wide { sample } else { sample.map(|x| f64::from(x as f32)) };
            let expected = schema.normalizer.normalized("new", &sample, 3).expect("finite");
            let (inputs, class) = interpret(&graph, &sample);
            // Zeros of either sign are one number.
            let bits = |inputs: &[f32]| inputs.iter().map(|x| (x + 0.0).to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&inputs), bits(&expected), "{:?} {sample:?}", schema.normalizer);
            let predicted = plain::predict(&ticket.network, &ticket.mask, &expected, Arithmetic::Separate);
            assert_eq!(class, predicted, "{:?} {sample:?}", schema.normalizer);
            classes[class as usize] += 1;
        }
    }
    assert!(classes.iter().filter(|&&count| count > 0).count() > 1, "the network tells samples apart");
}

#[test]
fn the_input_is_float64_only_where_float32_would_lose_most_of_a_feature() {
    let min_max = |min: f64, max: f64, precision| {
        let (min, max) = (vec![0.0, min], vec![1.0, max]);
        Normalizer::MinMax { range: [0.0, 1.0], min, max, precision }
    };
    let wide = |min, max| wide_feature(&min_max(min, max, Precision::Double));
    assert_eq!(wide(-0.3, 1e12), None);
    assert_eq!(wide(273.15, 310.4), None);
    assert_eq!(wide(2000.0, 2010.0), None, "whole numbers are float32s");
    assert_eq!(wide(5.0, 5.0), None, "nothing to lose");
    assert_eq!(wide(101_300.0, 101_301.5), Some(1));
    assert_eq!(wide(-1.7e9 - 86_400.0, -1.7e9), Some(1));
    assert_eq!(wide_feature(&min_max(1.7e9, 1.7e9 + 86_400.0, Precision::Single)), None);
    let standard = |mean, deviation| {
        let precision = Precision::Double;
        wide_feature(&Normalizer::Standard { mean: vec![mean], deviation: vec![deviation], precision })
    };
    assert_eq!(standard(1.7e9, 3e4), Some(0));
    assert_eq!(standard(20.0, 3.0), None);
    for normalizer in normalizers() {
        let expected = if wide_feature(&normalizer).is_some() { DOUBLE } else { FLOAT };
        let graph = graph(&onnx(&ticket("[3, 2, 4]"), Some(&schema(normalizer)), &HashMap::new()));
        let tensor = graph.input[0].r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).expect("a tensor");
        assert_eq!(tensor.elem_type, expected);
    }
}
