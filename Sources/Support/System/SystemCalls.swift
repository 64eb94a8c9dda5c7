#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// What the system calls an error.
package func systemErrorText(_ code: Int32) -> String {
  unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
}

/// Brings a folder's names to the disk. Some file systems cannot: no harm.
package func flushFolder(_ path: String) {
  let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { return }
  _ = fsync(descriptor)
  close(descriptor)
}

/// Makes a folder and those above it; 0, or the number of the system's error. One that is there is none.
package func makeFolders(_ path: String) -> Int32 {
  if unsafe mkdir(path, 0o777) == 0 { return 0 }
  let code = errno
  if code == ENOENT, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash > path.startIndex {
    let above = makeFolders(String(path[..<slash]))
    if above != 0 { return above }
    return unsafe mkdir(path, 0o777) == 0 || errno == EEXIST ? 0 : errno
  }
  guard code == EEXIST else { return code }
  var info = stat()
  return unsafe stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR ? 0 : ENOTDIR
}
