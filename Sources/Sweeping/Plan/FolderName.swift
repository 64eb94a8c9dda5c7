import Support

/// Names of folders that say what is in them.
enum FolderName {
  /// A text as a part of a name: itself, if all systems take it in a name, else cut and told apart by a digest.
  static func part(_ text: String) -> String {
    let kept = text.unicodeScalars.map { scalar -> Character in
      let isPlain =
        scalar.isASCII
        && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
          || "._+-".unicodeScalars.contains(scalar))
      return isPlain ? Character(scalar) : "_"
    }
    let name = String(kept.prefix(32))
    guard name != text || text.isEmpty || text.hasPrefix(".") else { return name }
    return (name.hasPrefix(".") ? "_" : "") + name + "~" + Digest.text(of: [text]).prefix(6)
  }
}
