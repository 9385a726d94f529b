/* Scores rows with a SavedModel: client SAVED_MODEL < REQUESTS > SCORES

   Both are lines. Tensors are called as in the graph: "tensor" in assets.extra/signatures.json.
       request NAME                        begins a request, whatever it is called; an empty line ends it
       input TENSOR TYPE SIZE [SIZE ...]   then a value a line; of a text, %XX is the byte XX
       output TENSOR KEY                   what is fetched; KEY is what it is called in SCORES
   SCORES has the line "request NAME", and for each output "output KEY", "TYPE SIZE ..." and a value a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

#define MOST 4096 /* inputs, or outputs, of a request */
static const char *names[] = {"float32", "float64", "int32", "int64", "bool", "string", NULL};
static const TF_DataType types[] = {TF_FLOAT, TF_DOUBLE, TF_INT32, TF_INT64, TF_BOOL, TF_STRING};
static TF_Status *status;
static TF_Graph *graph;
static TF_Session *session;
static TF_Output inputs[MOST], outputs[MOST];
static TF_Tensor *values[MOST];
static char *request, *keys[MOST];
static int num_inputs, num_outputs;

static void fail(const char *what, const char *why) { fprintf(stderr, "%s: %s\n", what, why); exit(1); }
static void check(const char *what) { if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status)); }

static char *next_line(void) { /* without its end, and valid up to the next call; NULL behind the last */
  static char *text;
  static size_t size;
  ssize_t length = getline(&text, &size, stdin);
  if (length > 0 && text[length - 1] == '\n') text[length - 1] = 0;
  return length < 0 ? NULL : text;
}

static TF_Output tensor_called(char *name) { /* "StatefulPartitionedCall:3" */
  char *colon = name ? strrchr(name, ':') : NULL;
  if (!colon) fail(name ? name : "a line", "names no tensor, such as serving_default_user:0");
  *colon = 0;
  TF_Output found = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (!found.oper) fail(name, "is not in the graph");
  return found;
}

static size_t decode(char *text) { /* in place; returns the number of bytes */
  char *to = text, *from = text, digits[3] = "";
  while (*from)
    if (*from == '%' && from[1] && from[2]) {
      memcpy(digits, from + 1, 2);
      *to++ = (char)strtol(digits, NULL, 16);
      from += 3;
    } else *to++ = *from++;
  return to - text;
}

static void read_input(void) {
  if (num_inputs == MOST) fail("input", "there are too many");
  inputs[num_inputs] = tensor_called(strtok(NULL, " "));
  char *name = strtok(NULL, " ");
  int type = 0, rank = 0;
  while (names[type] && name && strcmp(names[type], name)) type++;
  if (!name || !names[type]) fail(name ? name : "input", "is no type");
  int64_t sizes[16], count = 1;
  for (char *size; rank < 16 && (size = strtok(NULL, " ")); rank++) count *= sizes[rank] = atoll(size);
  TF_Tensor *tensor = TF_AllocateTensor(types[type], sizes, rank, TF_DataTypeSize(types[type]) * count +
                                        (types[type] == TF_STRING ? count * sizeof(TF_TString) : 0));
  void *data = TF_TensorData(tensor);
  for (int64_t at = 0; at < count; at++) {
    char *text = next_line();
    if (!text) fail("input", "ends before its last value");
    if (types[type] == TF_STRING) {
      TF_TString *string = (TF_TString *)data + at;
      TF_StringInit(string);
      TF_StringCopy(string, text, decode(text));
    } else if (types[type] == TF_FLOAT) ((float *)data)[at] = strtof(text, NULL);
    else if (types[type] == TF_DOUBLE) ((double *)data)[at] = strtod(text, NULL);
    else if (types[type] == TF_INT32) ((int32_t *)data)[at] = (int32_t)strtol(text, NULL, 10);
    else if (types[type] == TF_INT64) ((int64_t *)data)[at] = strtoll(text, NULL, 10);
    else ((unsigned char *)data)[at] = *text == '1' || *text == 't';
  }
  values[num_inputs++] = tensor;
}

static void print_text(const TF_TString *string) {
  const unsigned char *text = (const unsigned char *)TF_StringGetDataPointer(string);
  for (size_t at = 0; at < TF_StringGetSize(string); at++)
    printf(text[at] < ' ' || text[at] == '%' ? "%%%02X" : "%c", text[at]);
}

static void print_output(const char *key, TF_Tensor *tensor) {
  int type = 0, rank = TF_NumDims(tensor);
  while (names[type] && types[type] != TF_TensorType(tensor)) type++;
  if (!names[type]) fail(key, "has a type that is not known here");
  printf("output %s\n%s", key, names[type]);
  for (int axis = 0; axis < rank; axis++) printf(" %lld", (long long)TF_Dim(tensor, axis));
  puts("");
  void *data = TF_TensorData(tensor);
  for (int64_t at = 0; at < TF_TensorElementCount(tensor); at++, puts(""))
    if (types[type] == TF_STRING) print_text((TF_TString *)data + at);
    else if (types[type] == TF_FLOAT) printf("%.9g", ((float *)data)[at]);
    else if (types[type] == TF_DOUBLE) printf("%.17g", ((double *)data)[at]);
    else if (types[type] == TF_INT32) printf("%d", ((int32_t *)data)[at]);
    else if (types[type] == TF_INT64) printf("%lld", (long long)((int64_t *)data)[at]);
    else printf("%d", ((unsigned char *)data)[at]);
}

static void run(void) {
  static TF_Tensor *answer[MOST];
  if (!request) return;
  printf("request %s\n", request);
  TF_SessionRun(session, NULL, inputs, values, num_inputs, outputs, answer, num_outputs, NULL, 0, NULL, status);
  check(request);
  for (int at = 0; at < num_inputs; at++) TF_DeleteTensor(values[at]);
  for (int at = 0; at < num_outputs; at++) {
    print_output(keys[at], answer[at]);
    TF_DeleteTensor(answer[at]);
    free(keys[at]);
  }
  num_inputs = num_outputs = 0;
  free(request);
  request = NULL;
  fflush(stdout);
}

int main(int count, char **arguments) {
  if (count != 2) fail("usage", "client SAVED_MODEL < REQUESTS > SCORES");
  const char *tag = "serve";
  status = TF_NewStatus();
  graph = TF_NewGraph();
  session = TF_LoadSessionFromSavedModel(TF_NewSessionOptions(), NULL, arguments[1], &tag, 1, graph, NULL, status);
  check(arguments[1]);
  for (char *text; (text = next_line());) {
    char *word = strtok(text, " ");
    if (!word) run();
    else if (!strcmp(word, "input")) read_input();
    else if (!strcmp(word, "output") && num_outputs < MOST) {
      outputs[num_outputs] = tensor_called(strtok(NULL, " "));
      char *key = strtok(NULL, "");
      keys[num_outputs++] = strdup(key ? key : "");
    } else if (!strcmp(word, "request")) {
      run();
      char *name = strtok(NULL, "");
      request = strdup(name ? name : "");
    } else fail(word, "is none of request, input and output");
  }
  run();
  return 0;
}
