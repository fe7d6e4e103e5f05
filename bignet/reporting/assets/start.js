if (find("#matrix")) matrixReader(find("#matrix"));
startStrips();
startMarks();
startViewer();
