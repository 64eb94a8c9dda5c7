/// Suggests the nearest known name for an unknown one.
package enum Nearest {
  package static func advice(_ name: String, _ names: some Sequence<String>) -> String {
    guard name.utf8.count < 200,
      let best = names.sorted().min(by: { distance(name, $0) < distance(name, $1) })
    else { return "" }
    return "Did you mean \(best)?"
  }

  /// The number of bytes to change, remove or insert.
  package static func distance(_ a: String, _ b: String) -> Int {
    let (x, y) = (Array(a.utf8), Array(b.utf8))
    var row = Array(0...y.count)
    for i in x.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in y.indices {
        let change = diagonal + (x[i] == y[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(change, diagonal + 1, row[j] + 1)
      }
    }
    return row[y.count]
  }
}
