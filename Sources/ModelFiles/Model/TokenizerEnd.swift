import Foundation

/// The end token that a directory's tokenizer names. Tunings often change it there and leave the other
/// configurations as they were.
enum TokenizerEnd {
  /// The id of `eos_token` in `tokenizer_config.json`; nil if the files do not tell, or can't be read, which whoever
  /// opens the tokenizer says.
  static func id(directory: String) -> Int? {
    guard let config = object(directory + "/tokenizer_config.json"),
      let text = config["eos_token"]?.string ?? config["eos_token"]?.object?["content"]?.string
    else { return nil }
    let name = Array(text.utf8)
    if let decoder = config["added_tokens_decoder"]?.object {
      for (key, value) in decoder.members {
        if let content = value.object?["content"]?.string, Array(content.utf8) == name { return Int(key) }
      }
    }
    let path = directory + "/tokenizer.json"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try? added(path, name)
  }

  private static func object(_ path: String) -> JSONObject? {
    FileManager.default.fileExists(atPath: path) ? try? JSON.object(path: path) : nil
  }

  /// The id of an added token of `tokenizer.json`; the vocabulary behind it is not read.
  private static func added(_ path: String, _ name: [UInt8]) throws(ModelFilesError) -> Int? {
    let file = try MappedFile(path: path)
    var reader = try JSONReader(file.copy(0..<file.byteCount), file: path)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      guard reader.decoded(key) == "added_tokens" else {
        try reader.skip()
        continue
      }
      try reader.beginArray()
      while try reader.nextElement() {
        var id: Int?
        var content: [UInt8] = []
        try reader.beginObject()
        while let key = try reader.nextKey() {
          switch reader.decoded(key) {
          case "id": id = try reader.integer()
          case "content": content = try reader.stringBytes()
          default: try reader.skip()
          }
        }
        if content == name { return id }
      }
      return nil
    }
    return nil
  }
}
