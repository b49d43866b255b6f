// Tells ThreadSanitizer about absl::Mutex. Debian's Abseil is not built for it, so what a mutex
// orders is invisible to it and shows as a race. Stands before Abseil in the search for symbols in
// the preset tsan, and nowhere else: each function calls Abseil's own and says what it ordered.
#include <dlfcn.h>

#include "absl/synchronization/mutex.h"

// Of sanitizer/tsan_interface.h, without its version checks.
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

// While a thread is inside Abseil it may look at other threads' conditions, under the mutex but
// after what it told ThreadSanitizer.
class InsideAbseil {
 public:
  InsideAbseil() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~InsideAbseil() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

// Abseil's own function of a mangled name.
template <class Function>
Function* Own(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

template <class T>
using OnMutex = T(absl::Mutex*);

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static auto* const own = Own<OnMutex<void>>("_ZN4absl7debian35Mutex4LockEv");
  {
    const InsideAbseil inside;
    own(this);
  }
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static auto* const own = Own<OnMutex<void>>("_ZN4absl7debian35Mutex6UnlockEv");
  __tsan_release(this);
  {
    const InsideAbseil inside;
    own(this);
  }
}

bool Mutex::TryLock() {
  static auto* const own = Own<OnMutex<bool>>("_ZN4absl7debian35Mutex7TryLockEv");
  bool locked;
  {
    const InsideAbseil inside;
    locked = own(this);
  }
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  static auto* const own = Own<OnMutex<void>>("_ZN4absl7debian35Mutex10ReaderLockEv");
  {
    const InsideAbseil inside;
    own(this);
  }
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static auto* const own = Own<OnMutex<void>>("_ZN4absl7debian35Mutex12ReaderUnlockEv");
  __tsan_release(this);
  {
    const InsideAbseil inside;
    own(this);
  }
}

void Mutex::Await(const Condition& condition) {
  static auto* const own =
      Own<void(Mutex*, const Condition&)>("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
  __tsan_release(this);
  {
    const InsideAbseil inside;
    own(this, condition);
  }
  __tsan_acquire(this);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const own = Own<bool(Mutex*, const Condition&, Duration)>(
      "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_release(this);
  bool held;
  {
    const InsideAbseil inside;
    held = own(this, condition, timeout);
  }
  __tsan_acquire(this);
  return held;
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const own = Own<bool(Mutex*, const Condition&, Time)>(
      "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  __tsan_release(this);
  bool held;
  {
    const InsideAbseil inside;
    held = own(this, condition, deadline);
  }
  __tsan_acquire(this);
  return held;
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const own =
      Own<void(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  {
    const InsideAbseil inside;
    own(this, mutex);
  }
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const own = Own<bool(CondVar*, Mutex*, Duration)>(
      "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  bool late;
  {
    const InsideAbseil inside;
    late = own(this, mutex, timeout);
  }
  __tsan_acquire(mutex);
  return late;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const own = Own<bool(CondVar*, Mutex*, Time)>(
      "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  bool late;
  {
    const InsideAbseil inside;
    late = own(this, mutex, deadline);
  }
  __tsan_acquire(mutex);
  return late;
}

ABSL_NAMESPACE_END
}  // namespace absl
