/// Tables (CSV): every record has as many fields as the first line has names, within bounds of time.
func testTable(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeRawBufferPointer(start: start, count: count))
  let began = processorSeconds()
  for isTabbed in [false, true] {
    guard var reader = try? CSVReader(bytes[...], file: "t.csv", isTabbed: isTabbed) else { continue }
    var last = 0
    while let row = try? reader.next() {
      precondition(row.fields.count == reader.columns.count && row.line > last)
      last = row.line
    }
  }
  precondition(processorSeconds() - began < 3, "a table of \(count) bytes took seconds")
  return 0
}
