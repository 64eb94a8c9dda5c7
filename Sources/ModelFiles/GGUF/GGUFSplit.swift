import Foundation

/// Models in several GGUF files, as llama-gguf-split writes them: `NAME-00001-of-00003.gguf` and so on. Each part says
/// which one it is; the first has the metadata of all.
extension GGUFPart {
  /// The place of a part among the parts; nil for a whole file.
  private struct Place {
    let number: Int
    let count: Int

    /// What the names of the parts end in.
    func ending(_ number: Int) -> String {
      func digits(_ value: Int) -> String {
        String(repeating: "0", count: max(0, 5 - String(value).count)) + String(value)
      }
      return "-\(digits(number + 1))-of-\(digits(count)).gguf"
    }
  }

  /// All parts of the file that this is one of, in their order; the file alone if it is whole.
  ///
  /// - Throws: ``ModelFilesError`` naming the part that is missing, or not of the same file.
  func all(_ residence: MappedFile.Residence) throws(ModelFilesError) -> [GGUFPart] {
    guard let place = try place() else { return [self] }
    let ending = place.ending(place.number)
    guard path.hasSuffix(ending) else {
      throw ModelFilesError(
        .unsupported, file: path, place: "key \"split.no\"",
        found: "part \(place.number + 1) of \(place.count) of a split file",
        expected: "a whole file, or a part whose name ends in \(ending)",
        advice: "Name the parts as they were named. Parts that were joined with cat are no whole file:"
          + " llama-gguf-split --merge joins them.")
    }
    let stem = path.dropLast(ending.utf8.count)
    let missing = (0..<place.count).filter { !isFile(stem + place.ending($0)) }
    if let first = missing.first {
      let more = missing.count > 1 ? " (\(missing.count - 1) more parts are missing)" : ""
      throw ModelFilesError(
        .missing, file: stem + place.ending(first), found: "no such file" + more,
        expected: "part \(first + 1) of \(place.count), beside the others", advice: "Get the missing part.")
    }
    var parts: [GGUFPart] = []
    for number in 0..<place.count {
      parts.append(
        number == place.number ? self : try GGUFPart(path: stem + place.ending(number), residence))
    }
    try check(parts)
    return parts
  }

  private func check(_ parts: [GGUFPart]) throws(ModelFilesError) {
    func damaged(_ part: GGUFPart, _ place: String, found: String, expected: String) -> ModelFilesError {
      ModelFilesError(
        .malformed, file: part.path, place: place, found: found, expected: expected,
        advice: "The parts are not of one file: get them again.")
    }
    var names: Set<String> = []
    for (number, part) in parts.enumerated() {
      let place = try part.place()
      guard let place, place.number == number, place.count == parts.count else {
        throw damaged(
          part, "key \"split.no\"",
          found: place.map { "part \($0.number + 1) of \($0.count)" } ?? "a whole file",
          expected: "part \(number + 1) of \(parts.count), as the name says")
      }
      for tensor in part.tensors where !names.insert(tensor.name).inserted {
        throw damaged(
          part, "tensor " + quoted(tensor.name), found: "a tensor that another part has too",
          expected: "every tensor once")
      }
    }
    let counts = parts.compactMap { $0["split.tensors.count"]?.integer }
    if let wanted = counts.first(where: { $0 != names.count }) {
      throw damaged(
        parts[0], "key \"split.tensors.count\"", found: "\(names.count) tensors in all parts",
        expected: "\(wanted)")
    }
  }

  private func place() throws(ModelFilesError) -> Place? {
    guard let value = self["split.count"] else { return nil }
    guard let count = value.integer, (0...65535).contains(count) else {
      throw ModelFilesError(
        .badValue, file: path, place: "key \"split.count\"", found: value.summary,
        expected: "a number of parts")
    }
    if count < 2 { return nil }
    guard let number = self["split.no"]?.integer, (0..<count).contains(number) else {
      throw ModelFilesError(
        .badValue, file: path, place: "key \"split.no\"", found: self["split.no"]?.summary ?? "nothing",
        expected: "0 to \(count - 1)")
    }
    return Place(number: number, count: count)
  }
}

/// Whether there is something under a path; opening it says the rest.
private func isFile(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
