#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace hilum {

bool IsTerminal(StandardStream stream) { return isatty(static_cast<int>(stream)) == 1; }

int TerminalColumns(StandardStream stream) {
  winsize size{};
  const bool known = ioctl(static_cast<int>(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace hilum
