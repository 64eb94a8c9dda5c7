import ModelFiles

@testable import AdapterFormat

/// Patterns, alone and many at once, against paths: an answer or a refusal within bounds of time and memory.
func testPattern(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  let began = processorSeconds()
  let texts = bytes.split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
  let path = "model.layers.12.self_attn.q_proj"
  for text in texts.prefix(8) {
    for mode in [ModulePattern.Mode.whole, .suffix] {
      guard let pattern = try? ModulePattern(text, mode) else { continue }
      _ =
        pattern.matches(path) || pattern.matches(String(repeating: "a", count: 2000)) || pattern.matches(text)
    }
  }
  let numbered = texts.prefix(8).flatMap { text in
    (0..<20).map { (key: text + "\($0)", value: JSONValue(2)) }
  }
  let object = JSONObject([
    ("peft_type", .string("LORA")), ("target_modules", .string(texts.first ?? "")),
    ("rank_pattern", .object(JSONObject(numbered))), ("alpha_pattern", .object(JSONObject(numbered))),
  ])
  var settings = PEFTSettings(object, file: "adapter_config.json")
  let paths = (0..<50).map { "model.layers.\($0).self_attn.q_proj" }
  settings.boundWork(paths: paths)
  for path in paths { _ = (settings.rank(of: path), settings.alpha(of: path), settings.isTarget(path)) }
  precondition(processorSeconds() - began < 8, "\(bytes.count) bytes of patterns took seconds")
  return 0
}
