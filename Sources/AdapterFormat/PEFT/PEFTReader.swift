import ModelFiles

/// Reads a PEFT adapter: configuration and tensors, as far as they can be read.
struct PEFTReader {
  let place: AdapterPlace

  init(_ place: AdapterPlace) { self.place = place }

  func read() -> AdapterReading {
    var reading = AdapterReading(format: .peft, files: [])
    if let violation = place.violation { reading.faults.append(violation) }
    let configFile = place.config?.path ?? ""
    switch place.config?.contents {
    case .success(let object)?:
      reading.peft = PEFTSettings(object, file: configFile)
      reading.files.append(configFile)
      reading.archive.configuration = object
      reading.archive.baseModelName = object["base_model_name_or_path"]?.string
    case .failure(let error)?: reading.faults.append(.init(error))
    case nil: break
    }
    var tensors: [Tensor]?
    do throws(ModelFilesError) {
      if let index = place.index {
        let weights = try WeightFiles(index: index, .copied)
        tensors = weights.tensors.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        reading.files += [index] + weights.files
        if let first = weights.files.first {
          reading.archive.tensorMetadata = try SafetensorsFile(path: first).metadata
        }
      } else if let weights = place.weights {
        let file = try SafetensorsFile(path: weights, .copied)
        tensors = file.tensors
        reading.files.append(weights)
        reading.archive.tensorMetadata = file.metadata
      }
    } catch {
      reading.faults.append(.init(error))
    }
    if let tensors { reading.peft?.boundWork(paths: tensors.map(\.name)) }
    guard let settings = reading.peft else { return reading }
    reading.faults += settings.faults
    reading.obstacles += settings.obstacles
    if let tensors, settings.isLoRA {
      let file = place.index ?? place.weights ?? configFile
      reading.archive = AdapterArchive(
        entries: PEFTEntries(settings: settings, file: file, tensors: tensors).read(
          &reading.faults, &reading.notes),
        configuration: settings.object, tensorMetadata: reading.archive.tensorMetadata,
        baseModelName: reading.archive.baseModelName)
    }
    return reading
  }
}
