import ModelFiles

/// Reads a PEFT adapter: configuration and tensors, as far as they can be read.
struct PEFTReader {
  let place: AdapterPlace

  init(_ place: AdapterPlace) { self.place = place }

  func read() -> AdapterReading {
    let configFile = place.config ?? ""
    var reading = AdapterReading(format: .peft, files: [])
    if let violation = place.violation { reading.faults.append(violation) }
    var config: PEFTConfig?
    do throws(ModelFilesError) {
      let json = try JSON.parse(path: configFile, maximumByteCount: 16 << 20)
      guard let object = json.object else {
        throw ModelFilesError(
          .malformed, file: configFile, place: "byte 0", found: json.summary, expected: "an object")
      }
      config = PEFTConfig(object, file: configFile)
      reading.files.append(configFile)
      reading.archive.configuration = object
      reading.archive.baseModelName = object["base_model_name_or_path"]?.string
    } catch {
      reading.faults.append(.init(error))
    }
    var tensors: [Tensor]?
    do throws(ModelFilesError) {
      if let index = place.index {
        let weights = try WeightFiles(index: index)
        tensors = weights.tensors.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        reading.files += [index] + weights.files
        if let first = weights.files.first {
          reading.archive.tensorMetadata = try SafetensorsFile(path: first).metadata
        }
      } else if let weights = place.weights {
        let file = try SafetensorsFile(path: weights)
        tensors = file.tensors
        reading.files.append(weights)
        reading.archive.tensorMetadata = file.metadata
      }
    } catch {
      reading.faults.append(.init(error))
    }
    guard let config else { return reading }
    reading.faults += config.faults
    reading.obstacles += config.obstacles
    if let tensors, config.isLoRA {
      let file = place.index ?? place.weights ?? configFile
      reading.archive = AdapterArchive(
        entries: PEFTEntries(config: config, file: file, tensors: tensors).read(&reading.faults),
        configuration: config.object, tensorMetadata: reading.archive.tensorMetadata,
        baseModelName: reading.archive.baseModelName)
    }
    return reading
  }
}
