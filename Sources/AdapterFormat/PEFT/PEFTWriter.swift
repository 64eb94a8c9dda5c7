import ModelFiles

/// Writes a PEFT directory. Names, bytes and configuration of a PEFT source come out as they were.
enum PEFTWriter {
  static let files: Set<String> = ["adapter_config.json", "adapter_model.safetensors"]

  /// Writes the directory whole or not at all.
  static func write(_ archive: AdapterArchive, to path: String) throws(AdapterError) {
    let config: JSONObject
    do throws(AdapterError.Violation) {
      config = try PEFTConfigurationWriter(archive).make()
    } catch {
      throw AdapterError(path: path, violations: [error])
    }
    let tensors = archive.entries.flatMap { entry in
      zip(entry.tensors, entry.peftNames).map { $0.renamed($1) }
    }
    let metadata = archive.peftConfiguration == nil ? [(key: "format", value: "pt")] : archive.tensorMetadata
    do throws(ModelFilesError) {
      let writer = try DirectoryWriter(path: path, names: files)
      try JSONFile.write(config, to: writer.file("adapter_config.json"))
      try SafetensorsWriter.write(tensors, metadata: metadata, to: writer.file("adapter_model.safetensors"))
      try writer.finish()
    } catch {
      throw AdapterError(path: path, violations: [.init(error)])
    }
  }
}

/// Writes an object as Python's `json.dump(indent=2)` does.
enum JSONFile {
  static func write(_ object: JSONObject, to path: String) throws(ModelFilesError) {
    try FileWriter.write(Array((JSONValue.object(object).text(indent: 2) + "\n").utf8), to: path)
  }
}
