import AdapterFormat
import Glibc

/// Directories with a fixed configuration each, of PEFT and of MLX; the input's first byte chooses one, the rest is the
/// file of tensors in it.
private let directories: [(path: String, weights: String)] = {
  atexit { removeDirectories() }
  let peft = "adapter_model.safetensors"
  let mlx = "adapters.safetensors"
  return [
    (#"{"peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"]}"#, peft),
    (
      #"{"peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": "all-linear", "use_rslora": true,"#
        + #" "rank_pattern": {"down_proj": 1}, "modules_to_save": ["lm_head"], "use_dora": true, "bias": "all"}"#, peft
    ),
    (#"{"fine_tune_type": "lora", "num_layers": 1, "lora_parameters": {"rank": 2, "scale": 4.0}}"#, mlx),
    (#"{"fine_tune_type": "dora", "num_layers": 1, "lora_parameters": {"rank": 2, "alpha": 4, "scale": 4.0}}"#, mlx),
  ].map { config, weights in
    var template = Array("/tmp/tina-fuzz-XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    write(path + "/adapter_config.json", Array(config.utf8))
    return (path, weights)
  }
}()

private func write(_ path: String, _ bytes: [UInt8]) {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  precondition(descriptor >= 0 && Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
  close(descriptor)
}

private func removeDirectories() {
  for (path, weights) in directories {
    unlink(path + "/adapter_config.json")
    unlink(path + "/" + weights)
    rmdir(path)
  }
}

func testAdapter(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard count > 0, let start else { return 0 }
  let (path, weights) = directories[Int(start[0]) % directories.count]
  write(path + "/" + weights, [UInt8](UnsafeRawBufferPointer(start: start + 1, count: count - 1)))
  guard let file = try? AdapterFile(path: path) else { return 0 }
  _ = file.archive.nonFinite(path: path)
  // The factorisations are slow: one input in four, by a bit that chooses nothing else.
  if start[0] & 0xC0 == 0x40 { _ = file.archive.analyzePairs() }
  _ = try? Adapter(file)
  return 0
}
