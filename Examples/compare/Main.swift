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
    let first = try Adapter(path: paths[0])
    let second = try Adapter(path: paths[1])

    for module in first.modules {
      guard let other = second[module.name] else {
        print("\(module.name): only in \(first.path)")
        continue
      }
      // A is [rank, in], B is [out, rank]; the module adds scale · B · A.
      guard module.a.shape[1] == other.a.shape[1], module.b.shape[0] == other.b.shape[0] else {
        print("\(module.name): \(module.b.shape) · \(module.a.shape), \(other.b.shape) · \(other.a.shape)")
        continue
      }
      let (apart, norm, _) = LowRankAlgebra.distance(module.pair, other.pair)
      print("\(module.name): rank \(module.rank) and \(other.rank), apart by \(apart / norm) of the first")
    }
    for module in second.modules where first[module.name] == nil {
      print("\(module.name): only in \(second.path)")
    }
  }
}
