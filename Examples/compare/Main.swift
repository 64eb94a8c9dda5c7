import AdapterFormat

/// Reads two adapters, whatever their formats, and tells for each module how far apart their changes are.
///
///     swift run example-compare FIRST SECOND
@main
enum Compare {
  static func main() throws {
    let paths = Array(CommandLine.arguments.dropFirst())
    guard paths.count == 2 else {
      print("usage: example-compare FIRST SECOND")
      return
    }
    let files = try paths.map { try AdapterFile(path: $0) }
    for file in files {
      let adapter = try Adapter(file)
      print("\(file.path): \(adapter.modules.count) modules, \(adapter.parameterCount) parameters")
    }
    // ΔW = scale · B · A of each module, compared without forming it.
    let difference = AdapterDifference(files[0].archive, files[1].archive)
    for item in difference.items {
      let apart = item.relative.map { "\($0)" } ?? item.remark ?? "not comparable"
      print("\(item.module): \(item.verdict.rawValue), apart by \(apart)")
    }
    print("together: \(difference.verdict.rawValue), apart by \(difference.relative ?? .nan)")
  }
}
