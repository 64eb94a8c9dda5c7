import AdapterFormat
import Glibc

/// A directory whose adapter_config.json is the input, beside a fixed adapter_model.safetensors.
private let directory: String = {
  var template = Array("/tmp/tina-fuzz-XXXXXX".utf8CString)
  precondition(mkdtemp(&template) != nil)
  let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  atexit { removeDirectory() }
  var entries: [String] = []
  var at = 0
  for module in ["self_attn.q_proj", "mlp.down_proj"] {
    for (part, shape) in [("A", "[2,3]"), ("B", "[4,2]")] {
      let size = part == "A" ? 24 : 32
      entries.append(
        "\"base_model.model.model.layers.0.\(module).lora_\(part).weight\":"
          + "{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":[\(at),\(at + size)]}")
      at += size
    }
  }
  let header = Array(("{" + entries.joined(separator: ",") + "}").utf8)
  let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
  write(path + "/adapter_model.safetensors", length + header + [UInt8](repeating: 1, count: at))
  return path
}()

private func write(_ path: String, _ bytes: [UInt8]) {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  precondition(descriptor >= 0 && Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
  close(descriptor)
}

private func removeDirectory() {
  unlink(directory + "/adapter_config.json")
  unlink(directory + "/adapter_model.safetensors")
  rmdir(directory)
}

func testConfig(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  write(directory + "/adapter_config.json", [UInt8](UnsafeRawBufferPointer(start: start, count: count)))
  _ = try? AdapterFile(path: directory)
  _ = try? Adapter(path: directory)
  return 0
}
