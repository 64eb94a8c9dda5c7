import AdapterFormat
import Foundation
import TestSupport
import Testing

/// One tensor of a file built by hand; every element is `value`.
struct TestTensor {
  var name: String
  var shape: [Int]
  var value: Float = 0.5
  var type = "F32"

  var bytes: [UInt8] {
    let count = shape.reduce(1, *)
    let bits = value.bitPattern
    let f32 = (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
    let element: [UInt8] =
      switch type {
      case "BF16": Array(f32[2...])
      case "F16": value == 0 ? [0, 0] : [0, 0x38]
      case "I8": [1]
      default: f32
      }
    return (0..<count).flatMap { _ in element }
  }
}

/// A safetensors file of these tensors in this order.
func safetensors(_ tensors: [TestTensor]) -> [UInt8] {
  var data: [UInt8] = []
  var entries: [String] = []
  for tensor in tensors {
    let begin = data.count
    data += tensor.bytes
    entries.append(
      "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type)\",\"shape\":\(tensor.shape),"
        + "\"data_offsets\":[\(begin),\(data.count)]}")
  }
  let header = "{" + entries.joined(separator: ",") + "}"
  return (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) } + Array(header.utf8) + data
}

/// A PEFT adapter on disk whose parts can be changed before it is opened.
struct TestAdapter {
  let directory = TemporaryFolder()
  /// Further members of the configuration, as written: Swift takes quadratic time to hash and compare some keys.
  var more: [String] = []
  var settings: [String: String] = [
    "peft_type": "\"LORA\"", "r": "2", "lora_alpha": "8", "target_modules": "[\"q_proj\",\"down_proj\"]",
    "base_model_name_or_path": "\"someone/base\"", "bias": "\"none\"", "lora_dropout": "0.05",
  ]
  var tensors =
    TestAdapter.pair("model.layers.0.self_attn.q_proj") + pair("model.layers.0.mlp.down_proj", input: 5)

  static func pair(
    _ module: String, rank: Int = 2, input: Int = 3, output: Int = 4, prefix: String = "base_model.model."
  ) -> [TestTensor] {
    [
      TestTensor(name: prefix + module + ".lora_A.weight", shape: [rank, input]),
      TestTensor(name: prefix + module + ".lora_B.weight", shape: [output, rank], value: 0.25),
    ]
  }

  func write() {
    let members = settings.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" } + more
    directory.write("adapter_config.json", "{" + members.joined(separator: ",\n") + "}")
    directory.write("adapter_model.safetensors", safetensors(tensors))
  }

  func open() throws(AdapterError) -> Adapter {
    write()
    return try Adapter(path: directory.path)
  }

  /// Opens the adapter, which must fail with as many violations and these fragments in its text.
  func refuse(_ fragments: String..., count: Int = 1, sourceLocation: SourceLocation = #_sourceLocation) {
    write()
    expectRefusal(directory.path, fragments, count: count, sourceLocation: sourceLocation)
  }
}

/// Opens a path, which must fail with as many violations and these fragments in the text.
func expectRefusal(
  _ path: String, _ fragments: [String], count: Int? = 1, sourceLocation: SourceLocation = #_sourceLocation
) {
  do throws(AdapterError) {
    _ = try Adapter(path: path)
    Issue.record("the adapter was loaded", sourceLocation: sourceLocation)
  } catch {
    for fragment in fragments {
      #expect(error.description.contains(fragment), sourceLocation: sourceLocation)
    }
    if let count { #expect(error.violations.count == count, "\(error)", sourceLocation: sourceLocation) }
    #expect(error.path == path, sourceLocation: sourceLocation)
  }
}
